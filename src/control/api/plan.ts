import type { PlanDifference, PlanView, ServicePlan } from '@haven/sdk';
import type { Name } from '#base/name';
import { PREFIX } from '#model/keys';
import type { Mirrored } from '#model/mirror';
import type { AppSpec } from '#model/spec';
import type { Store } from '#store/store';
import type { World } from '#world/world';
import { snapshotOf } from '../cluster-snapshot.ts';
import { planDeploy } from '../plan-deploy.ts';
import { keptCounts } from './app-changes.ts';
import { type ClusterState, readPrefix, readState } from './cluster-state.ts';
import { nodeViews, releaseOf } from './views.ts';

/** What a deploy of the spec would change: the dry run of control's own decisions, with what differs key by key. */
export async function planView(
  parts: { readonly world: Pick<World, 'clock'>; readonly store: Store },
  wanted: { readonly spec: AppSpec; readonly artifact?: string; readonly warnings: readonly string[] },
): Promise<PlanView> {
  const { spec, artifact } = wanted;
  const { store } = parts;
  const state = await readState(parts);
  const stored = state.apps.find(({ value }) => value.name === spec.name);
  const release = stored && releaseOf(state, stored.value);
  const before = release?.spec;
  const counts = keptCounts(stored?.value, { before, after: spec });
  const { services: forecasts } = planDeploy({ ...(await dryRunParts(store, state)), spec, counts, ...(artifact === undefined ? {} : { artifact }) });
  const shared = before ? differences(sharedPart(before), sharedPart(spec)) : [];
  const hasOtherFiles = before !== undefined && release?.artifact !== artifact;
  const files: readonly PlanDifference[] = hasOtherFiles ? [{ path: 'files', from: release?.artifact, to: artifact, replaces: true }] : [];
  const services = forecasts.map(({ service, change, placements }): ServicePlan => {
    const from = before?.services[service];
    const to = spec.services[service];
    return {
      service,
      change,
      count: { from: stored?.value.counts[service] ?? from?.count ?? 0, to: to ? (counts[service] ?? to.count) : 0 },
      differences: from && to ? [...shared, ...files, ...differences(from, to)] : [],
      placements,
    };
  });
  const isSame = services.every((service) => service.change === 'none' && service.differences.length === 0);
  const change = stored ? (isSame ? 'none' : 'update') : 'create';
  return { app: spec.name, revision: stored?.modRevision ?? 0, change, services, warnings: wanted.warnings };
}

async function dryRunParts(store: Store, state: ClusterState) {
  const prefixes = [PREFIX.apps, PREFIX.releases, PREFIX.services, PREFIX.instances, PREFIX.statuses, PREFIX.routes, PREFIX.pools, PREFIX.nodes, PREFIX.agents];
  const items = await Promise.all(prefixes.map((prefix) => readPrefix<unknown>(store, prefix)));
  const itemsByKey = new Map<string, Mirrored<unknown>>(items.flat().map((item) => [item.key, item]));
  const conditions = new Map(nodeViews(state).map((node) => [node.name as Name, node.condition]));
  return { snapshot: snapshotOf(itemsByKey, state.revision), conditions };
}

/** Keys of a service whose change restarts nothing (R10). */
const IN_PLACE = new Set(['count', 'mode', 'balance', 'checks.ready', 'update', 'stop', 'restart', 'routes', 'placement.policy', 'fetchTimeoutMs']);

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
