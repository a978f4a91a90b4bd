/** Nodes, pools, gateways and the cluster as a whole, as the API tells of them. */

import type { AppView } from './wire-app.ts';

export interface StatusView {
  readonly version: string;
  /** When this control process started. */
  readonly startedAt: number;
  readonly now: number;
  readonly store: { readonly revision: number; readonly oldest: number; readonly keys: number };
  /** Who leads, since which epoch; absent while nobody does. */
  readonly leader?: { readonly name: string; readonly epoch: number };
  readonly pools: readonly PoolView[];
  readonly nodes: readonly NodeView[];
  readonly gateways: readonly GatewayView[];
  readonly apps: readonly AppView[];
  /** What needs attention, each a sentence without a full stop; empty when all is as wanted. */
  readonly attention: readonly string[];
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Resources {
  /** Cores. */
  readonly cpu: number;
  readonly memoryBytes: number;
}

export interface PoolView {
  readonly name: string;
  readonly provider: string;
  /** Nodes wanted. */
  readonly nodes: number;
  readonly readyNodes: number;
  readonly resources?: Resources;
  readonly removing: boolean;
}

/** PUT /v1/pools/POOL: makes the pool or changes its size. */
export interface PoolRequest {
  readonly nodes: number;
  readonly resources?: Resources;
}

export type NodeCondition = 'ready' | 'suspect' | 'lost' | 'down';

export interface NodeView {
  readonly name: string;
  readonly pool: string;
  readonly provider: string;
  readonly condition: NodeCondition;
  readonly power: 'on' | 'off' | 'removed';
  readonly cordon?: { readonly since: number; readonly reason: string };
  readonly drain?: { readonly since: number; readonly deadline: number };
  readonly address?: Address;
  readonly capacity?: Resources;
  /** Asked for by the instances placed here. */
  readonly reserved: Resources;
  readonly instances: number;
  readonly limits?: string;
  readonly version?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** POST /v1/nodes/NODE/cordon */
export interface CordonRequest {
  readonly reason?: string;
}

/** POST /v1/nodes/NODE/drain. Without `deadlineMs`: 15 minutes; 0 stops all at once. */
export interface DrainRequest {
  readonly deadlineMs?: number;
  readonly reason?: string;
}

/** POST /v1/nodes/NODE/power */
export interface PowerRequest {
  readonly power: 'on' | 'off';
}

export interface GatewayView {
  readonly name: string;
  readonly address: Address;
  readonly adminAddress: Address;
  /** Where routes with `tls` are served; absent: nowhere. */
  readonly httpsAddress?: Address;
  readonly pid: number;
  /** Every change of the routes up to this revision is in force. */
  readonly appliedRevision: number;
}
