import type { App, Release, ServiceState } from '#model/app';
import type { GatewayFence } from '#model/fence';
import type { Instance, InstanceStatus } from '#model/instance';
import { LEADER_KEY, PREFIX } from '#model/keys';
import type { AgentStatus, Node, Pool } from '#model/node';
import type { GatewayStatus, Route } from '#model/route';
import type { KeyValue, Revision, Store } from '#store/store';
import type { World } from '#world/world';
import { CONTROL_DEFAULTS } from '../control-options.ts';
import type { LeaderRecord } from '../leadership.ts';

/** An object of the store with its key and revision. */
export interface Stored<Value> {
  readonly key: string;
  readonly value: Value;
  readonly modRevision: number;
  readonly createRevision: number;
}

/** Everything the API shows, as it was at one revision. Events and secrets are read where they are wanted. */
export interface ClusterState {
  readonly revision: number;
  readonly leader: Stored<LeaderRecord> | undefined;
  /** N8: so soon after a leader's start that it has declared nobody lost yet. By the wall clocks of the two processes: good enough to show. */
  readonly isGracePeriod: boolean;
  readonly apps: readonly Stored<App>[];
  readonly releases: readonly Stored<Release>[];
  readonly services: readonly Stored<ServiceState>[];
  readonly instances: readonly Stored<Instance>[];
  readonly statusesById: ReadonlyMap<string, InstanceStatus>;
  readonly routes: readonly Stored<Route>[];
  readonly gateways: readonly Stored<GatewayStatus>[];
  /** Gateways that control has counted out. */
  readonly fences: readonly Stored<GatewayFence>[];
  readonly pools: readonly Stored<Pool>[];
  readonly nodes: readonly Stored<Node>[];
  readonly agentsByNode: ReadonlyMap<string, AgentStatus>;
  /** Nodes whose agent missed a renewal of its lease. */
  readonly lateNodes: ReadonlySet<string>;
}

/** An agent renews every third of its lease; past this share one renewal was missed (N3). */
const LATE_SHARE = 0.5;

/** Reads the whole state at one revision. */
export async function readState({ world, store }: { readonly world: Pick<World, 'clock'>; readonly store: Store }): Promise<ClusterState> {
  const { revision } = await store.status();
  const read = <Value>(prefix: string) => readPrefix<Value>(store, prefix, revision);
  const [leaderItem, apps, releases, services, instances, statuses, routes, gateways, fences, pools, nodes, agents] = await Promise.all([
    store.get(LEADER_KEY, { revision }),
    read<App>(PREFIX.apps),
    read<Release>(PREFIX.releases),
    read<ServiceState>(PREFIX.services),
    read<Instance>(PREFIX.instances),
    read<InstanceStatus>(PREFIX.statuses),
    read<Route>(PREFIX.routes),
    read<GatewayStatus>(PREFIX.gateways),
    read<GatewayFence>(PREFIX.fences),
    read<Pool>(PREFIX.pools),
    read<Node>(PREFIX.nodes),
    store.list({ prefix: PREFIX.agents }, { revision }),
  ]);
  const leader = leaderItem && stored<LeaderRecord>(leaderItem);
  return {
    revision,
    leader,
    isGracePeriod: leader !== undefined && world.clock.wall() < (leader.value.since ?? 0) + CONTROL_DEFAULTS.nodeLeaseMs + CONTROL_DEFAULTS.lostGraceMs,
    apps,
    releases,
    services,
    instances,
    statusesById: new Map(statuses.map(({ value }) => [value.id, value])),
    routes,
    gateways,
    fences,
    pools,
    nodes,
    agentsByNode: new Map(agents.items.map((item) => stored<AgentStatus>(item).value).map((agent) => [agent.node, agent])),
    lateNodes: await lateNodes(store, agents.items),
  };
}

/** The objects below a prefix, in key order, now or at a revision. */
export async function readPrefix<Value>(store: Pick<Store, 'list'>, prefix: string, revision?: Revision): Promise<readonly Stored<Value>[]> {
  const { items } = await store.list({ prefix }, revision === undefined ? {} : { revision });
  return items.map((item) => stored<Value>(item));
}

/** One object, or `undefined`. */
export async function readOne<Value>(store: Pick<Store, 'get'>, key: string): Promise<Stored<Value> | undefined> {
  const item = await store.get(key);
  return item && stored<Value>(item);
}

async function lateNodes(store: Store, agents: readonly KeyValue[]): Promise<ReadonlySet<string>> {
  const late = agents.map(async ({ key, lease }) => {
    const status = lease === undefined ? undefined : await store.leaseStatus(lease);
    return status && status.remainingMs < status.durationMs * (1 - LATE_SHARE) ? [key.slice(PREFIX.agents.length)] : [];
  });
  return new Set((await Promise.all(late)).flat());
}

function stored<Value>({ key, value, modRevision, createRevision }: KeyValue): Stored<Value> {
  return { key, value: JSON.parse(value) as Value, modRevision, createRevision };
}
