import { join, resolve } from 'node:path';
import { parseDurationMs } from '#base/duration';
import { formatAddress } from '#base/host-port';
import { type Name, parseName } from '#base/name';
import type { InstanceId } from '#model/instance';
import { nearest } from '#model/nearest';
import type { Backend, Route } from '#model/route';
import type { Check, RouteMatch } from '#model/spec';
import { issuesOf, type SpecIssue } from '#model/spec-issues';
import { resolveTraffic } from '#model/traffic';
import { DEFAULT_BALANCE, makeBalancer } from '#policy/balance/balancers';
import type { Address } from '#world/world';
import { type GatewayInput, gatewaySchema, type ServiceInput } from './config-schema.ts';
import { addressOf } from './config-values.ts';
import { listenerIssues, listenersOf, type PlannedListener } from './resolve-listeners.ts';

/** All a gateway of its own needs to run, with every default filled in. */
export interface StandaloneConfig {
  readonly name: Name;
  readonly listeners: readonly PlannedListener[];
  readonly admin: Address;
  /** Absent: by the cores of the machine. */
  readonly workers?: number;
  /** A folder for access logs; absent: none are written. */
  readonly accessLog?: string;
  /** A folder for what it keeps: the authority of `tls: internal`, what `tls: auto` has got. Absolute; absent: the file names none. */
  readonly state?: string;
  readonly drainMs: number;
  /** Files of authorities, by service, of whose certificates clients have to show one. */
  readonly clientCas: readonly PlannedClientCa[];
  /** How long it says that it is not ready before it takes no more connections. */
  readonly preDrainMs: number;
  /** DNS servers that are asked for the names of backends; none: as the machine does. */
  readonly resolver: readonly string[];
  /** Addresses of backends may be names that are yet to be looked up. */
  readonly routes: readonly Route[];
}

export interface PlannedClientCa {
  readonly service: string;
  /** Absolute. */
  readonly file: string;
  readonly isRequired: boolean;
}

export type ResolvedConfig = { readonly ok: true; readonly config: StandaloneConfig } | { readonly ok: false; readonly issues: readonly SpecIssue[] };

export const DEFAULT_ADMIN: Address = { host: '127.0.0.1', port: 7_781 };

const DEFAULT_NAME = 'gateway';
const AUTHORITY_FOLDER = 'authority';
const ORDERED_FOLDER = 'acme';
const DEFAULT_CHECK = { intervalMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 } as const;
const DEFAULT_DRAIN_MS = 30_000;
const DEFAULT_PRE_DRAIN_MS = 5_000;
/** Half of the above: then those that are bound have as long elsewhere (R-26). */
const DEFAULT_STICKY_DRAIN_MS = DEFAULT_DRAIN_MS / 2;

/**
 * Checks a gateway's file as a whole and fills in the defaults; every mistake is found, not the first. `secret` is what sticky cookies are made with where the
 * file names none. Paths in the file begin at `folder`, else at the working folder.
 */
export function resolveGatewayConfig(value: unknown, options: { readonly secret: string; readonly folder?: string }): ResolvedConfig {
  const parsed = gatewaySchema.safeParse(value);
  if (!parsed.success) return { ok: false, issues: [...issuesOf(gatewaySchema, { value, error: parsed.error, at: [] }), ...routeIssues(value)] };
  const input = parsed.data;
  const issues = [...routeIssues(input), ...backendIssues(input), ...listenerIssues(input)];
  if (issues.length > 0) return { ok: false, issues };
  const name = parseName(input.name ?? DEFAULT_NAME, 'a gateway');
  const matches = new Map<string, RouteMatch[]>();
  for (const { host = '*', path = '/', service } of input.routes ?? []) matches.set(service, [...(matches.get(service) ?? []), { host, path }]);
  const secret = input.stickySecret ?? options.secret;
  const config: StandaloneConfig = {
    name,
    listeners: listenersOf(input, { app: name, folder: options.folder ?? '' }),
    admin: input.admin === undefined ? DEFAULT_ADMIN : addressOf(input.admin),
    ...(input.workers === undefined ? {} : { workers: input.workers }),
    ...(input.accessLog === undefined ? {} : { accessLog: input.accessLog }),
    ...(input.state === undefined ? {} : { state: resolve(options.folder ?? '', input.state) }),
    drainMs: optionalMs(input.drain) ?? DEFAULT_DRAIN_MS,
    clientCas: Object.entries(input.services).flatMap(([service, { clientCa }]) => {
      if (clientCa === undefined) return [];
      const { file, required = true } = typeof clientCa === 'string' ? { file: clientCa } : clientCa;
      return [{ service, file: resolve(options.folder ?? '', file), isRequired: required }];
    }),
    preDrainMs: optionalMs(input.preDrain) ?? DEFAULT_PRE_DRAIN_MS,
    resolver: [input.resolver ?? []].flat(),
    routes: Object.entries(input.services).map(([key, service]) => routeOf({ app: name, key, service, matches: matches.get(key) ?? [], secret })),
  };
  return { ok: true, config };
}

/** Where the authority of `tls: internal` is kept; `state` is for a file that does not say. */
export function authorityFolderOf(config: StandaloneConfig, state: string): string {
  return join(config.state ?? state, AUTHORITY_FOLDER);
}

/** Where accounts and certificates of `tls: auto` are kept. */
export function orderedFolderOf(config: StandaloneConfig, state: string): string {
  return join(config.state ?? state, ORDERED_FOLDER);
}

function routeOf(parts: {
  readonly app: Name;
  readonly key: string;
  readonly service: ServiceInput;
  readonly matches: readonly RouteMatch[];
  readonly secret: string;
}): Route {
  const { app, key, service, matches, secret } = parts;
  const { backends, balance = DEFAULT_BALANCE, check, stickyDrain, pipeline, ...traffic } = service;
  const balancer = makeBalancer(balance);
  const isSticky = balancer.sticky !== undefined;
  // Nobody but the operator ends a backend of such a gateway, so those that drain may still serve.
  const stickyDrainMs = stickyDrain === undefined ? DEFAULT_STICKY_DRAIN_MS : parseDurationMs(stickyDrain);
  return {
    app,
    service: parseName(key, 'a service'),
    matches,
    balance: balancer.text,
    ...(isSticky ? { stickySecret: secret } : {}),
    ...(check === undefined ? {} : { check: checkOf(check) }),
    ...resolveTraffic(traffic, { usesDraining: true, ...(isSticky ? { stickyDrainMs } : {}), ...(pipeline ? { pipeline } : {}) }),
    backends: backends.map((given) => backendOf(key, typeof given === 'string' ? { address: given } : given, optionalMs(service.drain))),
  };
}

/** A backend is known by its address: what moves in the list stays what it is. */
function backendOf(service: string, given: Exclude<ServiceInput['backends'][number], string>, drainMs: number | undefined): Backend {
  const address = addressOf(given.address);
  return {
    id: `${service}/${formatAddress(address)}` as InstanceId,
    name: formatAddress(address),
    attempt: 1,
    address,
    weight: given.weight ?? 1,
    tier: given.tier ?? 'primary',
    ...(drainMs === undefined ? {} : { drainMs }),
    state: given.drain ? 'draining' : 'active',
  };
}

function checkOf(given: NonNullable<ServiceInput['check']>): Check {
  if (typeof given === 'string') return { probe: { kind: 'http', path: given }, ...DEFAULT_CHECK };
  const intervalMs = optionalMs(given.interval) ?? DEFAULT_CHECK.intervalMs;
  return {
    probe: given.http === undefined ? { kind: 'tcp' } : { kind: 'http', path: given.http },
    intervalMs,
    timeoutMs: optionalMs(given.timeout) ?? Math.min(DEFAULT_CHECK.timeoutMs, intervalMs),
    rise: given.rise ?? DEFAULT_CHECK.rise,
    fall: given.fall ?? DEFAULT_CHECK.fall,
  };
}

/** Routes to nowhere, and routes that another one hides. Also of a file with other mistakes, so that all are told at once. */
function routeIssues(value: unknown): readonly SpecIssue[] {
  const { routes, services } = isObject(value) ? value : {};
  if (!Array.isArray(routes) || !isObject(services)) return [];
  const known = Object.keys(services);
  const seen = new Map<string, number>();
  return routes.flatMap((route: unknown, index): readonly SpecIssue[] => {
    if (!isObject(route)) return [];
    const { host = '*', path = '/', service } = route;
    const at = ['routes', String(index)];
    const match = `${String(host).toLowerCase()}${String(path).replace(/\/+$/, '') || '/'}`;
    const before = seen.get(match);
    seen.set(match, before ?? index);
    const twice = before === undefined ? [] : [{ path: at, message: `has the same host and path as routes.${before}, which would get all its requests` }];
    if (typeof service !== 'string' || Object.hasOwn(services, service)) return twice;
    const meant = nearest(service, known);
    return [
      ...twice,
      {
        path: [...at, 'service'],
        message: `is "${service}", but ${known.length === 0 ? 'there are no services' : `there are only ${known.join(', ')}`}`,
        ...(meant ? { nearest: meant } : {}),
      },
    ];
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function backendIssues({ services }: GatewayInput): readonly SpecIssue[] {
  return Object.entries(services).flatMap(([key, { backends }]) => {
    const seen = new Set<string>();
    return backends.flatMap((given, index): readonly SpecIssue[] => {
      const text = typeof given === 'string' ? given : given.address;
      const address = addressOf(text);
      const at = ['services', key, 'backends', String(index)];
      if (address.port === 0) return [{ path: at, message: 'must have a port other than 0' }];
      const written = formatAddress(address);
      if (seen.has(written)) return [{ path: at, message: `is ${written} once more; give it a weight instead` }];
      seen.add(written);
      return [];
    });
  });
}

function optionalMs(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text);
}
