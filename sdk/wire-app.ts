/** Apps with their services, instances, releases and deploys, as the API takes and tells of them. */

import type { Address } from './wire-cluster.ts';
import type { EventView } from './wire-output.ts';

/** `rolling`: a deploy is under way. `degraded`: fewer healthy instances than wanted. `failed`: the last deploy failed and nothing took its place. */
export type AppState = 'running' | 'rolling' | 'degraded' | 'failed' | 'removing';

export interface AppView {
  readonly name: string;
  /** Of the app object, for `ifRevision`. */
  readonly revision: number;
  readonly release: number;
  readonly state: AppState;
  readonly outcome?: ReleaseOutcome;
  readonly services: readonly ServiceView[];
}

export interface ServiceView {
  readonly app: string;
  readonly service: string;
  readonly mode: 'balanced' | 'active-standby';
  /** Instances wanted. */
  readonly count: number;
  /** Instances whose process runs and has started up. */
  readonly running: number;
  /** Of these, the ones that the gateways call healthy; a service nobody checks counts those that run. */
  readonly healthy: number;
  readonly phase: 'waiting' | 'idle' | 'rolling' | 'failed';
  readonly release: number;
  readonly activeSlot?: number;
  readonly internalPort?: number;
  /** With `tls`: by HTTPS only, with a certificate of the cluster's own authority. */
  readonly routes: readonly { readonly host: string; readonly path: string; readonly tls?: 'internal' }[];
  /** Ports of the gateways whose connections are carried to it as they are. */
  readonly tcpPorts?: readonly number[];
  /** Why it is not as wanted; empty when it is. */
  readonly pending: readonly string[];
}

/** What people want to know of an instance in one word. */
export type InstanceState =
  | 'pending' // placed, its node has not reported yet
  | 'fetching'
  | 'installing'
  | 'starting'
  | 'running' // up; no gateway has judged it yet
  | 'healthy'
  | 'unhealthy'
  | 'backing-off'
  | 'draining'
  | 'stopping'
  | 'stopped'
  | 'failed';

export interface InstanceView {
  /** `shop.web.2-7` */
  readonly id: string;
  /** `web.2` */
  readonly name: string;
  readonly app: string;
  readonly service: string;
  readonly slot: number;
  readonly release: number;
  readonly node: string;
  readonly state: InstanceState;
  readonly tier: 'primary' | 'backup';
  readonly health: 'unknown' | 'passing' | 'failing';
  readonly address?: Address;
  readonly pid?: number;
  readonly attempt: number;
  readonly restarts: number;
  /** When it came into its state. */
  readonly since: number;
  readonly startedAt?: number;
  readonly reason: string;
  readonly output?: readonly string[];
  readonly usage?: { readonly cpuMs: number; readonly memoryBytes: number };
  /** How the last attempt that is over ended: why it was restarted. */
  readonly lastEnd?: { readonly attempt: number; readonly at: number; readonly reason: string };
}

export interface FailureCause {
  readonly code: string;
  readonly message: string;
  readonly instance?: string;
  readonly node?: string;
  /** Last lines the instance wrote, oldest first. */
  readonly output?: readonly string[];
}

export type ReleaseOutcome =
  | { readonly kind: 'rolling' }
  | { readonly kind: 'stable'; readonly at: number }
  | { readonly kind: 'superseded'; readonly at: number; readonly by: number }
  | { readonly kind: 'reverted'; readonly at: number; readonly to: number; readonly cause: FailureCause }
  | { readonly kind: 'failed'; readonly at: number; readonly cause: FailureCause };

export interface ReleaseView {
  readonly app: string;
  readonly number: number;
  readonly createdAt: number;
  readonly artifact?: string;
  readonly rollbackOf?: number;
  readonly current: boolean;
  readonly outcome: ReleaseOutcome;
}

/** POST /v1/apps/APP/plan */
export interface PlanRequest {
  /** The app's config as in `AppConfig`: data only. */
  readonly config: unknown;
  readonly environment?: string;
  /** `sha256-HEX` of the files that would be deployed. */
  readonly artifact?: string;
}

export interface PlanView {
  readonly app: string;
  /** Of the app object when the plan was made, for `ifRevision`; 0 if there is no such app. */
  readonly revision: number;
  readonly change: 'none' | 'create' | 'update';
  readonly services: readonly ServicePlan[];
  readonly warnings: readonly string[];
}

export interface ServicePlan {
  readonly service: string;
  /** `replace`: instances are replaced, one after the other; `in-place`: nothing restarts. */
  readonly change: 'none' | 'create' | 'replace' | 'in-place' | 'remove';
  readonly count: { readonly from: number; readonly to: number };
  /** What differs, each with the key it is about. */
  readonly differences: readonly PlanDifference[];
  /** Where each new instance would go, or why it cannot. */
  readonly placements: readonly PlanPlacement[];
}

export interface PlanDifference {
  /** `update.maxSurge` */
  readonly path: string;
  readonly from?: unknown;
  readonly to?: unknown;
  /** True if it makes instances restart. */
  readonly replaces: boolean;
}

export interface PlanPlacement {
  /** `web.2` */
  readonly instance: string;
  readonly node?: string;
  /** Why this node, or why none. */
  readonly reason: string;
}

/** POST /v1/apps/APP/deploy */
export interface DeployRequest extends PlanRequest {
  /** Refuse with CONFLICT unless the app object is at this revision; 0 = unless there is no such app. */
  readonly ifRevision?: number;
}

export interface DeployView {
  readonly app: string;
  readonly release: number;
  /** False: exactly this runs already, or is on its way; nothing was written. */
  readonly changed: boolean;
  /** Of the app object. */
  readonly revision: number;
  readonly warnings: readonly string[];
}

/** The answer to scale, switch, restart and remove. */
export interface ChangeView {
  readonly app: string;
  /** False: it was so already. */
  readonly changed: boolean;
  /** Of the app object. */
  readonly revision: number;
}

/** POST /v1/apps/APP/rollback */
export interface RollbackRequest {
  /** The release to repeat; default: the last stable one that differs from what is wanted now. */
  readonly to?: number;
}

/** POST /v1/apps/APP/services/SERVICE/scale */
export interface ScaleRequest {
  readonly count: number;
}

/** POST /v1/apps/APP/services/SERVICE/switch */
export interface SwitchRequest {
  /** The slot that should be active; default: a running standby. */
  readonly slot?: number;
}

/** POST /v1/apps/APP/services/SERVICE/restart */
export interface RestartRequest {
  /** Only this slot; default: all of them, one after the other as in an update. */
  readonly slot?: number;
  /** New attempts where the instances are, all at the same time: quicker, and requests may fail meanwhile. */
  readonly inPlace?: boolean;
}

/** How a deploy ended. `removed`: the app was removed meanwhile. */
export type DeployOutcome = 'stable' | 'failed' | 'reverted' | 'superseded' | 'removed';

/** One service when a deploy ended. `rolling`: it is still on its way to its release. No `runs`: nothing of it. */
export interface ServiceResult {
  readonly service: string;
  readonly phase: 'waiting' | 'idle' | 'rolling' | 'failed';
  readonly runs?: number;
}

/** One line of GET /v1/apps/APP/deploys/RELEASE/follow; `result` is the last. */
export type DeployEvent =
  | { readonly kind: 'service'; readonly service: ServiceView }
  | { readonly kind: 'instance'; readonly instance: InstanceView }
  | { readonly kind: 'instance-gone'; readonly id: string; readonly name: string }
  | { readonly kind: 'event'; readonly event: EventView }
  | { readonly kind: 'heartbeat' }
  /** How far the release command is; nothing of the release is placed before it has passed. */
  | {
      readonly kind: 'release-command';
      readonly state: 'waiting' | 'running' | 'passed' | 'failed';
      readonly at: number;
      readonly node?: string;
      /** Why it waits, or has failed. */
      readonly reason?: string;
    }
  | {
      readonly kind: 'result';
      readonly app: string;
      readonly release: number;
      readonly outcome: DeployOutcome;
      /** The release that runs now; none if the app is gone, nothing runs, or its services run different ones. */
      readonly runs?: number;
      /** What each service runs now. */
      readonly services?: readonly ServiceResult[];
      readonly cause?: FailureCause;
      readonly supersededBy?: number;
    };
