import type { PlanDifference, PlanView, ServicePlan } from '@haven/sdk';
import type { AppSpec, ServiceSpec } from '#model/spec';
import type { ClusterState } from './cluster-state.ts';
import { releaseOf } from './views.ts';

/** What a deploy of the spec would change. */
export function planView(
  state: ClusterState,
  wanted: { readonly spec: AppSpec; readonly artifact?: string; readonly warnings: readonly string[]; readonly now: number },
): PlanView {
  const stored = state.apps.find(({ value }) => value.name === wanted.spec.name);
  const release = stored && releaseOf(state, stored.value);
  const before = release?.spec;
  const isFileChange = release?.artifact !== wanted.artifact;
  const names = [...new Set([...Object.keys(before?.services ?? {}), ...Object.keys(wanted.spec.services)])].sort();
  const shared = before ? differences(sharedPart(before), sharedPart(wanted.spec)) : [];
  const files: readonly PlanDifference[] = before && isFileChange ? [{ path: 'files', from: release?.artifact, to: wanted.artifact, replaces: true }] : [];
  const services = names.map((service): ServicePlan => {
    const from = before?.services[service];
    const to = wanted.spec.services[service];
    const found = from && to ? [...shared, ...files, ...differences(from, to)] : [];
    const count = { from: stored?.value.counts[service] ?? from?.count ?? 0, to: to?.count ?? 0 };
    return { service, change: changeOf({ from, to, found }), count, differences: found, placements: [] };
  });
  const isSame = services.every((service) => service.change === 'none');
  return {
    app: wanted.spec.name,
    revision: stored?.modRevision ?? 0,
    change: stored ? (isSame ? 'none' : 'update') : 'create',
    services,
    warnings: wanted.warnings,
  };
}

/** Keys of a service whose change restarts nothing (R10). */
const IN_PLACE = new Set(['count', 'mode', 'checks.ready', 'update', 'stop', 'restart', 'routes', 'placement.policy', 'fetchTimeoutMs']);

function changeOf(service: {
  readonly from: ServiceSpec | undefined;
  readonly to: ServiceSpec | undefined;
  readonly found: readonly PlanDifference[];
}): ServicePlan['change'] {
  if (!service.from) return 'create';
  if (!service.to) return 'remove';
  if (service.found.length === 0) return 'none';
  return service.found.some((difference) => difference.replaces) ? 'replace' : 'in-place';
}

function sharedPart({ environment, secrets }: AppSpec) {
  return { environment, secrets };
}

function differences(from: unknown, to: unknown, path: readonly string[] = []): PlanDifference[] {
  if (isObject(from) && isObject(to)) {
    return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((key) => differences(from[key], to[key], [...path, key]));
  }
  if (JSON.stringify(from) === JSON.stringify(to)) return [];
  const isInPlace = path.some((_key, index) => IN_PLACE.has(path.slice(0, index + 1).join('.')));
  return [{ path: path.join('.'), ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }), replaces: !isInPlace }];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
