import type { Name } from '#base/name';
import type { Address, UnixMs } from '#world/world';
import type { Resources } from './resources.ts';

/** A named group of nodes made by one provider. At /pools/NAME. */
export interface Pool {
  readonly name: Name;
  readonly provider: 'local';
  readonly nodes: number;
  /** Share of each node; by default the machine's divided by the nodes of the pool. */
  readonly resources?: Resources;
  readonly removing: boolean;
}

/** One machine, as wanted. At /nodes/NAME; a pool's nodes are POOL-1 … POOL-n. */
export interface Node {
  readonly name: Name;
  readonly pool: Name;
  readonly provider: 'local';
  /** 1-based within the cluster, never used twice at a time: gives local nodes their port range. */
  readonly index: number;
  readonly resources?: Resources;
  readonly labels: Readonly<Record<string, string>>;
  /** `off` is the plug pulled: the provider ends the agent and all its instances at once. `removed`: shut down, then the object is deleted. */
  readonly power: 'on' | 'off' | 'removed';
  /** No new placements. */
  readonly cordon?: { readonly since: UnixMs; readonly reason: string };
  /** Present while draining: at `deadline` what is left is stopped (D2). */
  readonly drain?: { readonly since: UnixMs; readonly deadline: UnixMs };
}

/** A node's agent, alive as long as its lease. At /agents/NODE. */
export interface AgentStatus {
  readonly node: Name;
  /** Where the agent answers for logs and exec. */
  readonly address: Address;
  /** Host on which its instances listen. */
  readonly host: string;
  readonly pid: number;
  readonly bootId: string;
  readonly startedAt: UnixMs;
  readonly capacity: Resources;
  readonly limits: 'cgroup-v2' | 'cgroup-v1' | 'none';
  readonly version: string;
}

/** N3: ready → suspect (a renewal is late) → lost (the lease ended). `down`: never joined, or its agent left in order. */
export type NodeCondition = 'ready' | 'suspect' | 'lost' | 'down';
