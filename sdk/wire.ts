/** What the API of a Haven cluster takes and answers. Moments are milliseconds since 1970, sizes bytes, durations milliseconds. */

/** Where the API's paths begin. */
export const API_PREFIX = '/v1';

/** Every way a request can fail that a caller may act on. */
export type ErrorCode =
  | 'INVALID'
  | 'NOT_FOUND'
  | 'EXISTS'
  | 'CONFLICT'
  | 'COMPACTED'
  | 'FUTURE_REVISION'
  | 'LEASE_LOST'
  | 'LOCKED'
  | 'TOO_LARGE'
  | 'LIMIT'
  | 'UNAUTHENTICATED'
  | 'DENIED'
  | 'NOT_PLACED'
  | 'UNAVAILABLE'
  | 'TIMEOUT'
  | 'ABORTED'
  | 'CORRUPT'
  | 'UNSUPPORTED'
  | 'INTERNAL';

/** The body of every answer that is not 2xx, and the last line of a stream that broke. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    /** What could not be done, to what, why: a sentence without a full stop. */
    readonly message: string;
    readonly details: Readonly<Record<string, unknown>>;
    /** What to do about it, often a command. */
    readonly next?: string;
    readonly requestId?: string;
  };
}

/** One mistake in an app's config. In `details.issues` of an INVALID deploy or plan. */
export interface ConfigIssue {
  /** Keys from the outside in: `['web', 'update', 'maxSurge']`. */
  readonly path: readonly string[];
  readonly message: string;
  /** The valid key or value that was probably meant. */
  readonly nearest?: string;
}

export interface HealthView {
  readonly ok: true;
}

// Cluster

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
  readonly pid: number;
  /** Every change of the routes up to this revision is in force. */
  readonly appliedRevision: number;
}

// Apps

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
  readonly routes: readonly { readonly host: string; readonly path: string }[];
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

// Events, reasons, output

export interface EventView {
  /** Unique; in the order in which they were written for one object. */
  readonly id: string;
  /** `app/shop`, `service/shop/web`, `instance/shop.web.2-7`, `node/worker-1`, `gateway/gateway-1` */
  readonly object: string;
  readonly at: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly kind: string;
  readonly message: string;
}

/** One line of GET /v1/events?follow=1. */
export type EventLine = { readonly kind: 'event'; readonly event: EventView } | { readonly kind: 'heartbeat' };

export interface WhyView {
  /** What was asked about, in full: `instance/shop.web.2-7`. */
  readonly object: string;
  /** One word or two: `healthy`, `not placed`. */
  readonly state: string;
  /** Never empty; the nearest cause first. */
  readonly reasons: readonly WhyReason[];
  readonly events: readonly EventView[];
}

export interface WhyReason {
  readonly message: string;
  readonly at?: number;
  /** The smallest change that would help, often a command. */
  readonly next?: string;
}

/** One line of GET /v1/apps/APP/logs. A `notice` tells of an instance that came, went, or cannot be read now. */
export type LogLine =
  | {
      readonly kind: 'line';
      /** `web.2` */
      readonly instance: string;
      readonly id: string;
      readonly node: string;
      /** Which start of the instance wrote it, from 1. */
      readonly attempt: number;
      readonly text: string;
    }
  | { readonly kind: 'notice'; readonly instance: string; readonly id: string; readonly node: string; readonly text: string }
  | { readonly kind: 'heartbeat' };

/** POST /v1/instances/ID/exec */
export interface ExecRequest {
  readonly command: readonly string[];
  /** By default 10 minutes, at most an hour. */
  readonly timeoutMs?: number;
}

/** One line of its answer: a line of standard output or error, without its end; `exit` is the last. No `code`: a signal ended the command. */
export type ExecLine =
  | { readonly kind: 'output'; readonly text: string }
  | { readonly kind: 'heartbeat' }
  | { readonly kind: 'exit'; readonly code?: number; readonly signal?: string; readonly reason?: string };

// Secrets and files

export interface SecretView {
  readonly name: string;
  readonly updatedAt: number;
}

/** PUT /v1/secrets/NAME */
export interface SecretRequest {
  readonly value: string;
}

/** GET /v1/instances/ID/secrets, for the node the instance is placed on. */
export interface InstanceSecretsView {
  readonly values: Readonly<Record<string, string>>;
}

/** PUT /v1/artifacts/sha256-HEX with the bytes as body. */
export interface ArtifactView {
  readonly artifact: string;
  readonly sizeBytes: number;
  /** False: it was there already, and the body was not needed. */
  readonly stored: boolean;
}
