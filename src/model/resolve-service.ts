import { parseSizeBytes } from '#base/bytes';
import { parseDurationMs } from '#base/duration';
import type { Name } from '#base/name';
import type { Check, Checks, CommandSpec, PlacementSpec, Probe, RestartSpec, RouteMatch, ServiceSpec, StartupCheck, StopSpec, UpdateSpec } from './spec.ts';
import type { SpecIssue } from './spec-issues.ts';
import { MAX_COUNT, type ServiceInput } from './spec-schema.ts';
import { checkCommand, splitCommand } from './split-command.ts';
import { resolveTraffic } from './traffic.ts';

/** What every service gets that does not say otherwise; the rules' ids are those of the orchestration rules. */
export const DEFAULTS = {
  resources: { cpu: 0.1, memory: '256Mi' },
  installTimeout: '10m',
  fetchTimeout: '10m', // R3
  startup: { interval: '250ms', timeout: '2s', startTimeout: '60s' }, // H3
  check: { interval: '5s', timeout: '2s', rise: 2, fall: 3 }, // H3
  update: { maxParallel: 1, minHealthy: '10s', healthyDeadline: '5m', progressDeadline: '10m', autoRevert: true, canary: 0 }, // R1, H5, R3, R4, R6
  stop: { unroute: '5s', drain: '30s', kill: '10s' }, // S1
  restart: { delay: '1s', maxDelay: '60s', attempts: 5, window: '10m', resetAfter: '10m' }, // B1, B2
} as const;

const MAX_RESTART_DELAY = '5m';

type Tell = (path: readonly string[], message: string) => void;

/** One service with every default filled in, or what makes no sense about it. Paths of issues begin below the service. */
export function resolveService(
  name: Name,
  input: ServiceInput,
): { readonly spec: ServiceSpec; readonly issues: readonly SpecIssue[]; readonly warnings: readonly string[] } {
  const issues: SpecIssue[] = [];
  const warnings: string[] = [];
  const tell: Tell = (path, message) => issues.push({ path, message });
  const count = input.count ?? (input.mode === 'active-standby' ? 2 : 1);
  const listens = input.port !== undefined || input.hostPort !== undefined;
  const { hostPort } = input;
  const spec: ServiceSpec = {
    name,
    run: { kind: 'process', command: wordsOf(input.run.process) },
    ...(input.install === undefined ? {} : { install: timedCommand(input.install) }),
    listens,
    ...(hostPort === undefined ? {} : { hostPort }),
    count,
    mode: input.mode ?? 'balanced',
    ...(input.balance === undefined ? {} : { balance: input.balance }),
    ...(input.traffic === undefined ? {} : { traffic: resolveTraffic(input.traffic) }),
    resources: {
      cpu: input.resources?.cpu ?? DEFAULTS.resources.cpu,
      memoryBytes: parseSizeBytes(input.resources?.memory ?? DEFAULTS.resources.memory),
    },
    environment: input.env ?? {},
    checks: resolveChecks(input.health),
    update: resolveUpdate(input, { count, tell }),
    stop: resolveStop(input.stop),
    restart: resolveRestart(input.restart, tell),
    placement: resolvePlacement(input, tell),
    ...resolveRoutes(input.routes ?? [], tell),
    fetchTimeoutMs: parseDurationMs(input.fetchTimeout ?? DEFAULTS.fetchTimeout),
  };
  checkPort(input, { listens, tell });
  if (listens && !spec.checks.ready) {
    warnings.push(
      `Service "${name}" has no ready check: an instance counts as healthy when it has run for ${input.update?.minHealthy ?? DEFAULTS.update.minHealthy} without a restart`,
    );
  }
  if (spec.mode === 'active-standby' && count < 2) warnings.push(`Service "${name}" is active/standby with a count of ${count}: nothing stands by`);
  return { spec, issues, warnings };
}

/** A command with its timeout. */
export function timedCommand(input: NonNullable<ServiceInput['install']>): CommandSpec {
  const isTimed = typeof input === 'object' && !Array.isArray(input);
  const given = isTimed ? input.run : input;
  return { command: wordsOf(given), timeoutMs: parseDurationMs((isTimed ? input.timeout : undefined) ?? DEFAULTS.installTimeout) };
}

function wordsOf(given: string | readonly string[]): readonly [string, ...string[]] {
  const split = typeof given === 'string' ? splitCommand(given) : checkCommand(given);
  // The schema has refused all others.
  return split.ok ? split.command : [''];
}

function checkPort(input: ServiceInput, { listens, tell }: { readonly listens: boolean; readonly tell: Tell }): void {
  if (!listens) {
    const why = 'needs "port": without it the service does not listen';
    if (input.routes && input.routes.length > 0) tell(['routes'], why);
    if (input.health !== undefined) tell(['health'], why);
  }
  if (input.hostPort === undefined) return;
  if ((input.update?.canary ?? 0) > 0) {
    tell(['update', 'canary'], 'cannot be used with "hostPort": a canary runs next to the old instance, and both would want the same port');
  }
  const surge = input.update?.maxSurge;
  if (surge !== undefined && surge !== 0) tell(['update', 'maxSurge'], 'must be 0 with "hostPort": the new instance cannot listen until the old one is gone');
}

function resolveChecks(health: ServiceInput['health']): Checks {
  if (health === undefined) return { startup: startupCheck(undefined) };
  if (typeof health === 'string') return { startup: startupCheck({ http: health }), ready: readyCheck(health) };
  return {
    startup: startupCheck(typeof health.startup === 'string' ? { http: health.startup } : health.startup),
    ...(health.ready === undefined ? {} : { ready: readyCheck(health.ready) }),
    ...(health.alive === undefined ? {} : { alive: readyCheck(health.alive) }),
  };
}

type HealthInput = Exclude<NonNullable<ServiceInput['health']>, string>;

function startupCheck(input: Exclude<HealthInput['startup'], string>): StartupCheck {
  const probe = input && probeOf(input);
  return {
    ...(probe ? { probe } : {}),
    intervalMs: parseDurationMs(input?.interval ?? DEFAULTS.startup.interval),
    timeoutMs: parseDurationMs(input?.timeout ?? DEFAULTS.startup.timeout),
    startTimeoutMs: parseDurationMs(input?.startTimeout ?? DEFAULTS.startup.startTimeout),
  };
}

function readyCheck(given: NonNullable<HealthInput['ready']>): Check {
  const input = typeof given === 'string' ? { http: given } : given;
  return {
    probe: probeOf(input) ?? { kind: 'tcp' },
    intervalMs: parseDurationMs(input.interval ?? DEFAULTS.check.interval),
    timeoutMs: parseDurationMs(input.timeout ?? DEFAULTS.check.timeout),
    rise: input.rise ?? DEFAULTS.check.rise,
    fall: input.fall ?? DEFAULTS.check.fall,
  };
}

function probeOf(input: { readonly http?: string | undefined; readonly tcp?: true | undefined }): Probe | undefined {
  if (input.http !== undefined) return { kind: 'http', path: input.http };
  return input.tcp ? { kind: 'tcp' } : undefined;
}

function resolveUpdate(input: ServiceInput, { count, tell }: { readonly count: number; readonly tell: Tell }): UpdateSpec {
  const update = input.update ?? {};
  const maxSurge = absolute(update.maxSurge, { count, round: Math.ceil }) ?? (input.hostPort === undefined ? 1 : 0);
  const maxUnavailable = absolute(update.maxUnavailable, { count, round: Math.floor }) ?? (maxSurge === 0 ? 1 : 0);
  if (maxSurge === 0 && maxUnavailable === 0) {
    const isRounded = typeof update.maxUnavailable === 'string' && update.maxUnavailable !== '0%';
    const rounded = isRounded ? `"${update.maxUnavailable}" of ${count} rounds down to 0` : 'both are 0';
    tell(['update', 'maxUnavailable'], `must be at least 1 when maxSurge is 0, or no instance could ever be replaced; ${rounded}`);
  }
  const minHealthyMs = parseDurationMs(update.minHealthy ?? DEFAULTS.update.minHealthy);
  const healthyDeadlineMs = parseDurationMs(update.healthyDeadline ?? DEFAULTS.update.healthyDeadline);
  // Whoever wants a longer healthy deadline and says nothing of progress gets twice as long for it.
  const progressDefaultMs = Math.max(parseDurationMs(DEFAULTS.update.progressDeadline), 2 * healthyDeadlineMs);
  const progressDeadlineMs = update.progressDeadline === undefined ? progressDefaultMs : parseDurationMs(update.progressDeadline);
  if (progressDeadlineMs <= healthyDeadlineMs) {
    const text = update.healthyDeadline ?? `${DEFAULTS.update.healthyDeadline} by default`;
    tell(['update', 'progressDeadline'], `must be longer than healthyDeadline (${text}), or a slow start would count as no progress`);
  }
  if (minHealthyMs >= healthyDeadlineMs) tell(['update', 'minHealthy'], 'must be shorter than healthyDeadline, or no instance could ever be healthy in time');
  if (update.autoPromote === false) {
    tell(
      ['update', 'autoPromote'],
      'cannot be false in this version: canaries that are healthy for minHealthy are promoted by themselves, and nothing else promotes them',
    );
  }
  return {
    maxParallel: update.maxParallel ?? DEFAULTS.update.maxParallel,
    maxSurge,
    maxUnavailable,
    minHealthyMs,
    healthyDeadlineMs,
    progressDeadlineMs,
    autoRevert: update.autoRevert ?? DEFAULTS.update.autoRevert,
    canary: update.canary ?? DEFAULTS.update.canary,
    autoPromote: true,
  };
}

function absolute(
  given: number | string | undefined,
  { count, round }: { readonly count: number; readonly round: (value: number) => number },
): number | undefined {
  if (typeof given !== 'string') return given;
  return Math.min(MAX_COUNT, Math.max(0, round((Number.parseFloat(given) * count) / 100)));
}

function resolveStop(input: ServiceInput['stop']): StopSpec {
  return {
    unrouteTimeoutMs: parseDurationMs(input?.unroute ?? DEFAULTS.stop.unroute),
    drainTimeoutMs: parseDurationMs(input?.drain ?? DEFAULTS.stop.drain),
    killTimeoutMs: parseDurationMs(input?.kill ?? DEFAULTS.stop.kill),
  };
}

function resolveRestart(input: ServiceInput['restart'], tell: Tell): RestartSpec {
  const baseDelayMs = parseDurationMs(input?.delay ?? DEFAULTS.restart.delay);
  const maxDelayMs = parseDurationMs(input?.maxDelay ?? DEFAULTS.restart.maxDelay);
  if (maxDelayMs > parseDurationMs(MAX_RESTART_DELAY)) tell(['restart', 'maxDelay'], `must be at most "${MAX_RESTART_DELAY}"`);
  if (maxDelayMs < baseDelayMs) tell(['restart', 'maxDelay'], 'must not be shorter than "delay"');
  return {
    baseDelayMs,
    maxDelayMs,
    attempts: input?.attempts ?? DEFAULTS.restart.attempts,
    windowMs: parseDurationMs(input?.window ?? DEFAULTS.restart.window),
    resetAfterMs: parseDurationMs(input?.resetAfter ?? DEFAULTS.restart.resetAfter),
  };
}

function resolvePlacement(input: ServiceInput, tell: Tell): PlacementSpec {
  const { placement, spread } = input;
  if (spread && placement?.policy === 'bin-pack') tell(['spread'], 'contradicts placement.policy "bin-pack"; leave one out');
  return {
    policy: placement?.policy ?? 'spread',
    ...(placement?.pool === undefined ? {} : { pool: placement.pool as Name }),
    constraints: placement?.constraints ?? {},
  };
}

function resolveRoutes(inputs: NonNullable<ServiceInput['routes']>, tell: Tell): Pick<ServiceSpec, 'routes' | 'tcpPorts'> {
  const tcpPorts = inputs.flatMap(({ tcp }) => tcp ?? []);
  const routes = inputs.filter(({ tcp }) => tcp === undefined).map(resolveRoute);
  if (tcpPorts.length === 0) return { routes };
  if (routes.length > 0) tell(['routes'], 'must be all "tcp" or all of hosts and paths: a service speaks one protocol');
  return { routes, tcpPorts };
}

function resolveRoute(input: NonNullable<ServiceInput['routes']>[number]): RouteMatch {
  const path = (input.path ?? '/').replace(/\/+$/, '');
  return { host: (input.host ?? '*').toLowerCase(), path: path === '' ? '/' : path, ...(input.tls === undefined ? {} : { tls: input.tls }) };
}
