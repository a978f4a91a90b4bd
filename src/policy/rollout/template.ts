import type { Name } from '#base/name';
import type { Release } from '#model/app';
import type { ServiceSpec } from '#model/spec';

/** What an instance of a service is made from. An Instance has all of it, so the two can be compared. */
export interface Template {
  readonly release: number;
  readonly artifact?: string;
  readonly spec: ServiceSpec;
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  /** Absent = 0. */
  readonly generation?: number;
}

/** The template of a release's service, or undefined if the release has no such service. `ports` are the internal ports of the app's listening services. */
export function templateOf(release: Release, service: Name, ports: ReadonlyMap<Name, number>): Template | undefined {
  const spec = release.spec.services[service];
  if (spec === undefined) return undefined;
  return {
    release: release.number,
    ...(release.artifact === undefined ? {} : { artifact: release.artifact }),
    spec,
    environment: { ...siblingAddresses(release, service, ports), ...release.spec.environment, ...spec.environment },
    secrets: release.spec.secrets,
  };
}

/** Why an instance made from `current` must be replaced to become `next`; none: the change reaches it in place (R10). */
export function restartReasons(current: Template, next: Template): readonly string[] {
  const changes: [string, unknown, unknown][] = [
    ['files', current.artifact, next.artifact],
    ['command', current.spec.run, next.spec.run],
    ['install command', current.spec.install, next.spec.install],
    ['listening', [current.spec.listens, current.spec.hostPort], [next.spec.listens, next.spec.hostPort]],
    ['resources', current.spec.resources, next.spec.resources],
    ['environment', current.environment, next.environment],
    ['secrets', current.secrets, next.secrets],
    ['startup check', current.spec.checks.startup, next.spec.checks.startup],
    ['alive check', current.spec.checks.alive, next.spec.checks.alive],
    ['nodes allowed', [current.spec.placement.pool, current.spec.placement.constraints], [next.spec.placement.pool, next.spec.placement.constraints]],
  ];
  return changes.filter(([, a, b]) => canonical(a) !== canonical(b)).map(([what]) => what);
}

/** True for an instance that was made before the operator last asked for a restart. */
export function isOfEarlierGeneration(current: Template, next: Template): boolean {
  return (current.generation ?? 0) < (next.generation ?? 0);
}

/** True when nothing at all differs but the release's number. */
export function isSameTemplate(a: Template, b: Template): boolean {
  return a.artifact === b.artifact && canonical([a.spec, a.environment, a.secrets]) === canonical([b.spec, b.environment, b.secrets]);
}

/** JSON with sorted keys: equal values, equal text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** `API_URL=http://127.0.0.1:7801` for each sibling that listens; what the spec sets itself wins. */
function siblingAddresses(release: Release, service: Name, ports: ReadonlyMap<Name, number>): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const sibling of Object.values(release.spec.services)) {
    const port = ports.get(sibling.name);
    if (sibling.name === service || !sibling.listens || port === undefined) continue;
    environment[`${sibling.name.toUpperCase().replaceAll('-', '_')}_URL`] = `http://127.0.0.1:${port}`;
  }
  return environment;
}
