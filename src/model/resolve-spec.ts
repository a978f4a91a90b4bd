import { isName, type Name } from '#base/name';
import { plainData } from './config-limits.ts';
import { nearest } from './nearest.ts';
import { resolveService, timedCommand } from './resolve-service.ts';
import type { AppSpec, ServiceSpec } from './spec.ts';
import { issuesOf, type SpecIssue } from './spec-issues.ts';
import { MAX_SERVICES, NOT_YET, SETTING_KEYS, serviceSchema, settingsSchema } from './spec-schema.ts';

/** A config that can be deployed, or all that is wrong with it. */
export type ResolvedApp =
  | { readonly ok: true; readonly spec: AppSpec; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly issues: readonly SpecIssue[] };

type Fields = Readonly<Record<string, unknown>>;

/** The app people wrote, with the overrides of the environment, every default filled in, every unit resolved. Never throws for what they wrote. */
export function resolveApp(config: unknown, options: { readonly environment?: string } = {}): ResolvedApp {
  const data = plainData(config);
  if (!data.ok) return { ok: false, issues: [data.issue] };
  if (!isObject(data.value))
    return { ok: false, issues: [{ path: [], message: "must be an object such as { name: 'shop', web: { run: { process: 'node server.js' } } }" }] };
  const { environments, ...base } = data.value;
  const table = environmentsOf(environments);
  if (!table.ok) return { ok: false, issues: table.issues };
  const { environment } = options;
  const overrides = environment === undefined ? {} : table.overridesByName.get(environment);
  if (overrides === undefined) return { ok: false, issues: [noSuchEnvironment(environment ?? '', [...table.overridesByName.keys()])] };
  const resolved = resolveMerged(merge(base, overrides));
  const chosen = resolved.issues.map((issue) => (environment === undefined ? issue : placeIn(environment, overrides, issue)));
  // The other environments are read too, so that a mistake there is found before its day comes.
  const others = [...table.overridesByName].filter(([name]) => name !== environment).flatMap(([name, other]) => mistakesOf(name, base, other));
  const issues = [...chosen, ...others];
  if (issues.length > 0 || !resolved.spec) return { ok: false, issues: distinct(issues) };
  return { ok: true, spec: resolved.spec, warnings: resolved.warnings };
}

/** Every object of the config is overridden key by key, one level deep; anything else is replaced. */
function merge(base: Fields, overrides: Fields): Fields {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(overrides)) {
    const under = merged[key];
    merged[key] = isObject(under) && isObject(value) ? { ...under, ...value } : value;
  }
  return merged;
}

function environmentsOf(
  given: unknown,
): { readonly ok: true; readonly overridesByName: ReadonlyMap<string, Fields> } | { readonly ok: false; readonly issues: readonly SpecIssue[] } {
  if (given === undefined) return { ok: true, overridesByName: new Map() };
  if (!isObject(given)) return { ok: false, issues: [{ path: ['environments'], message: 'must be an object: { staging: { web: { count: 1 } } }' }] };
  const issues: SpecIssue[] = [];
  const overridesByName = new Map<string, Fields>();
  for (const [name, overrides] of Object.entries(given)) {
    const path = ['environments', name];
    if (!isName(name)) issues.push({ path, message: NAME_RULE });
    else if (!isObject(overrides)) issues.push({ path, message: 'must be an object of what differs: { web: { count: 1 } }' });
    else if (overrides['name'] !== undefined) issues.push({ path: [...path, 'name'], message: 'cannot differ: an app has one name in all environments' });
    else if (overrides['environments'] !== undefined) issues.push({ path: [...path, 'environments'], message: 'cannot have environments of its own' });
    else overridesByName.set(name, overrides);
  }
  return issues.length > 0 ? { ok: false, issues } : { ok: true, overridesByName };
}

function noSuchEnvironment(environment: string, known: readonly string[]): SpecIssue {
  const meant = nearest(environment, known);
  const allowed = known.length > 0 ? `known: ${known.join(', ')}` : 'the config has no environments';
  return { path: ['environments', environment], message: `does not exist; ${allowed}`, ...(meant ? { nearest: meant } : {}) };
}

/** What is wrong in an environment because of its own overrides. */
function mistakesOf(environment: string, base: Fields, overrides: Fields): readonly SpecIssue[] {
  return resolveMerged(merge(base, overrides))
    .issues.filter((issue) => isOverridden(overrides, issue.path))
    .map((issue) => placeIn(environment, overrides, issue));
}

/** The issue where it was written: in the environment if the override brought it. */
function placeIn(environment: string, overrides: Fields, issue: SpecIssue): SpecIssue {
  return isOverridden(overrides, issue.path) ? { ...issue, path: ['environments', environment, ...issue.path] } : issue;
}

function isOverridden(overrides: Fields, path: readonly string[]): boolean {
  const [top = '', key] = path;
  if (!Object.hasOwn(overrides, top)) return false;
  const value = overrides[top];
  return key === undefined || !isObject(value) || Object.hasOwn(value, key);
}

interface Resolution {
  readonly spec: AppSpec | undefined;
  readonly issues: readonly SpecIssue[];
  readonly warnings: readonly string[];
}

function resolveMerged(config: Fields): Resolution {
  const issues: SpecIssue[] = [];
  const warnings: string[] = [];
  const entries = Object.entries(config);
  const given = Object.fromEntries(entries.filter(([key]) => SETTING_KEYS.includes(key)));
  const settings = settingsSchema.safeParse(given);
  if (!settings.success) issues.push(...issuesOf(settingsSchema, { value: given, error: settings.error, at: [] }));
  const services: Record<string, ServiceSpec> = {};
  const serviceEntries = entries.filter(([key]) => !SETTING_KEYS.includes(key));
  if (serviceEntries.length > MAX_SERVICES) issues.push({ path: [], message: `must have at most ${MAX_SERVICES} services` });
  for (const [key, value] of serviceEntries.slice(0, MAX_SERVICES)) {
    const { service, ...told } = readService(key, value);
    issues.push(...told.issues);
    warnings.push(...told.warnings);
    if (service) services[key] = service;
  }
  if (serviceEntries.length === 0) issues.push({ path: [], message: "has no service: add one, such as web: { run: { process: 'node server.js' } }" });
  issues.push(...duplicateRoutes(Object.values(services)), ...duplicateTcpPorts(Object.values(services)));
  if (!settings.success) return { spec: undefined, issues, warnings };
  const { name, env = {}, secrets = [], release, revertScope = 'service' } = settings.data;
  issues.push(...secretClashes(secrets, { env, services: Object.values(services) }));
  const spec: AppSpec = {
    name: name as Name,
    services,
    environment: env,
    secrets: [...new Set(secrets)],
    ...(release === undefined ? {} : { releaseCommand: timedCommand(release) }),
    revertScope,
  };
  return { spec, issues, warnings };
}

function readService(
  key: string,
  value: unknown,
): { readonly service?: ServiceSpec; readonly issues: readonly SpecIssue[]; readonly warnings: readonly string[] } {
  const notYet = Object.hasOwn(NOT_YET, key) ? NOT_YET[key] : undefined;
  if (notYet) return { issues: [{ path: [key], message: notYet }], warnings: [] };
  const meant = nearest(key, SETTING_KEYS);
  const isServiceLike = isObject(value) && Object.hasOwn(value, 'run');
  if (!isServiceLike && meant) {
    const issue: SpecIssue = { path: [key], message: `is neither a setting nor a service with "run"; did you mean "${meant}"?`, nearest: meant };
    return { issues: [issue], warnings: [] };
  }
  if (!isObject(value))
    return {
      issues: [{ path: [key], message: `must be a service such as { run: { process: 'node server.js' } }; settings are ${SETTING_KEYS.join(', ')}` }],
      warnings: [],
    };
  const issues: SpecIssue[] = isName(key) ? [] : [{ path: [key], message: NAME_RULE }];
  const hasBoth = value['count'] !== undefined && value['scale'] !== undefined;
  if (hasBoth) issues.push({ path: [key, 'scale'], message: 'cannot be used together with "count": one of them decides how many instances there are' });
  const parsed = serviceSchema.safeParse(value);
  if (!parsed.success) {
    const found = issuesOf(serviceSchema, { value, error: parsed.error, at: [key] });
    return { issues: [...issues, ...found.filter((issue) => !(hasBoth && issue.path.at(-1) === 'scale'))], warnings: [] };
  }
  const { spec, issues: senseless, warnings } = resolveService(key as Name, parsed.data);
  return { service: spec, issues: [...issues, ...senseless.map((issue) => ({ ...issue, path: [key, ...issue.path] }))], warnings };
}

function duplicateRoutes(services: readonly ServiceSpec[]): readonly SpecIssue[] {
  const ownerByRoute = new Map<string, Name>();
  return services.flatMap((service) =>
    service.routes.flatMap(({ host, path }, index) => {
      const route = `${host} ${path}`;
      const owner = ownerByRoute.get(route);
      if (owner === undefined) ownerByRoute.set(route, service.name);
      return owner === undefined
        ? []
        : [
            {
              path: [service.name, 'routes', String(index)],
              message: `repeats the route "${host}" "${path}" of service "${owner}": a request goes to one service only`,
            },
          ];
    }),
  );
}

function duplicateTcpPorts(services: readonly ServiceSpec[]): readonly SpecIssue[] {
  const ownerByPort = new Map<number, Name>();
  return services.flatMap(({ name, tcpPorts = [] }) =>
    tcpPorts.flatMap((port, index) => {
      const owner = ownerByPort.get(port);
      ownerByPort.set(port, owner ?? name);
      return owner === undefined
        ? []
        : [{ path: [name, 'routes', String(index)], message: `repeats the port ${port} of service "${owner}": a connection goes to one service only` }];
    }),
  );
}

function secretClashes(
  secrets: readonly string[],
  { env, services }: { readonly env: Readonly<Record<string, string>>; readonly services: readonly ServiceSpec[] },
): readonly SpecIssue[] {
  return secrets.flatMap((secret, index) => {
    const path = ['secrets', String(index)];
    if (Object.hasOwn(env, secret)) return [{ path, message: `is in "env" too: "${secret}" can come from one place only` }];
    const service = services.find((candidate) => Object.hasOwn(candidate.environment, secret));
    return service ? [{ path, message: `is in the env of service "${service.name}" too: "${secret}" can come from one place only` }] : [];
  });
}

const NAME_RULE = 'must be a name of 1 to 40 of a-z, 0-9 and "-", and neither begin nor end with "-"';

function distinct(issues: readonly SpecIssue[]): readonly SpecIssue[] {
  return [...new Map(issues.map((issue) => [JSON.stringify([issue.path, issue.message]), issue])).values()];
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
