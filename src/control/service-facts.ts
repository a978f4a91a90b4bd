import type { Name } from '#base/name';
import type { App, ServiceState } from '#model/app';
import type { InstanceId } from '#model/instance';
import type { Moment } from '#model/moment';
import type { NodeCondition } from '#model/node';
import { NO_RESOURCES } from '#model/resources';
import type { PlacementNode } from '#policy/placement/request';
import { type Observation, observe } from '#policy/rollout/observation';
import { readinessOf } from '#policy/rollout/readiness';
import type { InstanceFacts, ServiceSnapshot } from '#policy/rollout/service-snapshot';
import { type ClusterSnapshot, serviceKey } from './cluster-snapshot.ts';
import { closedReason, hostStateOf } from './node-condition.ts';

/** What the facts of a service are drawn from. */
export interface Seen {
  readonly snapshot: ClusterSnapshot;
  readonly conditions: ReadonlyMap<Name, NodeCondition>;
  /** Brought up to date. */
  readonly observations: Map<InstanceId, Observation>;
  readonly now: Moment;
}

/** The part of the cluster that the rollout policy decides on for one service. */
export function serviceSnapshot(
  seen: Seen,
  { app, state, nodes }: { readonly app: App; readonly state: ServiceState; readonly nodes: readonly PlacementNode[] },
): ServiceSnapshot {
  const releases = new Map([...(seen.snapshot.releases.get(app.name) ?? [])].map(([number, item]) => [number, item.value]));
  const ports = portsOf(seen.snapshot, app.name);
  return { app, service: state.service, releases, state, instances: instanceFacts(seen, app.name, state.service), nodes, ports };
}

/** Internal ports of an app's services. */
export function portsOf(snapshot: ClusterSnapshot, app: Name): ReadonlyMap<Name, number> {
  const states = [...snapshot.services.values()].map((item) => item.value).filter((state) => state.app === app);
  return new Map(states.flatMap(({ service, internalPort }) => (internalPort === undefined ? [] : [[service, internalPort]])));
}

function instanceFacts({ snapshot, conditions, observations, now }: Seen, app: Name, service: Name): readonly InstanceFacts[] {
  const route = snapshot.routes.get(serviceKey(app, service));
  const routing = { ...(route === undefined ? {} : { route: { value: route.value, revision: route.modRevision } }), gateways: snapshot.gateways };
  return (snapshot.instancesOf.get(serviceKey(app, service)) ?? []).map(({ value: instance }) => {
    const reported = snapshot.statuses.get(instance.id)?.value;
    // Facts about an instance come from its own node only.
    const status = reported?.node === instance.node ? reported : undefined;
    const condition = conditions.get(instance.node) ?? 'down';
    // Not its condition: in a new leader's grace period a node counts as suspect though nobody hears it.
    const isAgentHeard = snapshot.agents.has(instance.node);
    const readiness = readinessOf({ instance, status, isAgentHeard }, routing);
    const observation = observe(observations.get(instance.id), { instance, status, readiness }, now);
    observations.set(instance.id, observation);
    return { instance, status, host: hostStateOf(snapshot.nodes.get(instance.node)?.value, condition), readiness, observation };
  });
}

/** Every node as placement sees it, with all that is assigned to it. */
export function placementNodes(snapshot: ClusterSnapshot, conditions: ReadonlyMap<Name, NodeCondition>): readonly PlacementNode[] {
  const assignedByNode = new Map<Name, PlacementNode['assigned'][number][]>();
  for (const { value } of [...snapshot.instancesOf.values()].flat()) {
    const { id, app, service, spec, intent } = value;
    const leaves = intent.kind === 'run' ? {} : { leaves: true as const };
    const assigned = { id, app, service, resources: spec.resources, ...(spec.hostPort === undefined ? {} : { hostPort: spec.hostPort }), ...leaves };
    assignedByNode.set(value.node, [...(assignedByNode.get(value.node) ?? []), assigned]);
  }
  return [...snapshot.nodes.values()].map(({ value: node }) => {
    const closed = closedReason(node);
    return {
      name: node.name,
      pool: node.pool,
      condition: conditions.get(node.name) ?? 'down',
      ...(closed === undefined ? {} : { closed }),
      labels: node.labels,
      capacity: snapshot.agents.get(node.name)?.value.capacity ?? node.resources ?? NO_RESOURCES,
      assigned: assignedByNode.get(node.name) ?? [],
    };
  });
}
