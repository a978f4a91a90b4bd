import type { Brand } from '#base/brand';
import type { Name } from '#base/name';
import type { Address, ProcessExit, UnixMs } from '#world/world';
import type { ServiceSpec } from './spec.ts';

/** `app.service.slot-serial`, such as `shop.web.2-7`. The serial never repeats within a service, so a double create collides on the key. */
export type InstanceId = Brand<string, 'InstanceId'>;

export function instanceIdOf(app: Name, service: Name, slot: number, serial: number): InstanceId {
  return `${app}.${service}.${slot}-${serial}` as InstanceId;
}

/** What people call it: `web.2`. During a rollout the old and the new one share it. */
export function instanceName(instance: { readonly service: Name; readonly slot: number }): string {
  return `${instance.service}.${instance.slot}`;
}

/** One copy of a service assigned to a node. Decided by control, carried out by the node's agent. At /instances/ID. */
export interface Instance {
  readonly id: InstanceId;
  readonly app: Name;
  readonly service: Name;
  /** 1 … count. */
  readonly slot: number;
  readonly serial: number;
  readonly release: number;
  readonly node: Name;
  /** Epoch of the leader that wrote it. An agent refuses one lower than it has seen (N6). */
  readonly epoch: number;
  readonly artifact?: string;
  /** All the agent needs; later changes of the app do not reach a placed instance. */
  readonly spec: ServiceSpec;
  /** The app's, the service's and the addresses of sibling services (`API_URL`); secrets come on top, by name. */
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly tier: Tier;
  readonly intent: InstanceIntent;
  readonly createdAt: UnixMs;
  /** Why it exists: "release 4", "replaces web.2 of lost node worker-3". */
  readonly reason: string;
  /** A command that is run once and to its end: `stopped` with exit code 0, else `failed`; never started twice. */
  readonly runsOnce?: { readonly timeoutMs: number };
  /** Which `restart` of the operator it has behind it, absent = none: one of a lower generation than its app asks for is replaced. */
  readonly generation?: number;
  /** Raised by the operator's `restart` in place: the agent starts a new attempt with fresh counters (B2). */
  readonly restartNonce: number;
}

export type Tier = 'primary' | 'backup';

/** In this order and never back (S1). No SIGTERM before `stop`; no `stop` before every live gateway acknowledged the route without it. */
export type InstanceIntent =
  | { readonly kind: 'run' }
  /** Taken out of the route; `since` bounds the wait. */
  | { readonly kind: 'drain'; readonly since: UnixMs; readonly reason: string }
  | { readonly kind: 'stop'; readonly since: UnixMs; readonly reason: string };

export type InstancePhase =
  | 'fetching' // artifact on its way
  | 'installing'
  | 'starting' // process runs, startup check has not passed
  | 'running' // startup check passed
  | 'backing-off' // ended; the next attempt waits
  | 'stopping'
  | 'stopped' // as asked; nothing of it is left
  | 'failed'; // the agent has given up: control must act

/** What the agent sees of it. At /statuses/ID. */
export interface InstanceStatus {
  readonly id: InstanceId;
  readonly node: Name;
  readonly phase: InstancePhase;
  readonly since: UnixMs;
  /** 1 for the first start; +1 at each start since. */
  readonly attempt: number;
  /** Restarts within the window of the restart rule. */
  readonly restarts: number;
  readonly address?: Address;
  readonly pid?: number;
  /** When the present attempt's process was started. */
  readonly startedAt?: UnixMs;
  /** When the artifact was on the node and installed: the healthy deadline starts here (R3). */
  readonly preparedAt?: UnixMs;
  readonly nextStartAt?: UnixMs;
  readonly exit?: ProcessExit;
  /** Why it is in this phase; a sentence without a full stop. */
  readonly reason: string;
  /** Code of the failure for phase `failed`, see FailureCause. */
  readonly failure?: 'exited' | 'start-timeout' | 'install-failed' | 'fetch-failed' | 'command-missing' | 'port-in-use' | 'alive-check';
  /** Last lines it wrote, oldest first, at most 20; present after a failed attempt. */
  readonly output?: readonly string[];
  readonly usage?: { readonly cpuMs: number; readonly memoryBytes: number };
  /** How the last attempt that is over ended: why the present one was started. */
  readonly lastEnd?: AttemptEnd;
}

export interface AttemptEnd {
  readonly attempt: number;
  readonly at: UnixMs;
  /** A sentence without a full stop. */
  readonly reason: string;
}
