import type { InstanceStatus } from '#model/instance';
import type { ProcessExit, ProcessIdentity } from '#world/world';
import type { CheckFacts } from './check-facts.ts';
import type { Moment } from './moment.ts';

/** How an attempt came to its end. */
export interface End {
  readonly why: EndReason;
  /** A sentence without a full stop. */
  readonly reason: string;
  readonly exit?: ProcessExit;
  /** Last lines of the attempt, oldest first, at most 20. */
  readonly output?: readonly string[];
}

export type EndReason =
  | NonNullable<InstanceStatus['failure']>
  | 'stop' // asked for
  | 'restart' // asked for by the operator
  | 'machine' // the machine was started again: nobody's fault
  | 'not-ready'; // it could not be tried, such as for a missing secret; tried again without counting

/** What a keeper knows of its instance, all of it durable. */
export interface KeeperState {
  /** Starts so far. */
  readonly attempt: number;
  /** The `restartNonce` these counters belong to. */
  readonly nonce: number;
  /** When each restart within the window was counted (B1). */
  readonly restarts: readonly Moment[];
  /** The one exit with code 0 that costs nothing has been used (B2). */
  readonly isCleanExitUsed: boolean;
  /** It has passed its startup check at least once, so that a failure to start again is worth another try. */
  readonly wasRunning: boolean;
  readonly port?: number;
  /** First time the artifact was on the node and installed. */
  readonly preparedAt?: Moment;
  /** How the last attempt that was over came to its end, whatever followed: what a restart is explained by. */
  readonly lastEnd?: { readonly attempt: number; readonly endedAt: Moment; readonly reason: string };
  readonly stage: Stage;
}

export type Stage =
  /** Nothing runs; it is to be prepared and started. */
  | { readonly kind: 'idle' }
  /** A process with this token may have been started on this boot of the machine. Seen at a plan only when the agent that wrote it did not come further. */
  | { readonly kind: 'starting'; readonly token: string; readonly bootId: string; readonly since: Moment }
  | ProcessStage
  | { readonly kind: 'waiting'; readonly until: Moment; readonly end: End }
  | { readonly kind: 'failed'; readonly end: End }
  | { readonly kind: 'stopped'; readonly end: End };

/** A process was started, and not all of its group is known to have ended. */
export interface ProcessStage {
  readonly kind: 'process';
  readonly identity: ProcessIdentity;
  readonly startedAt: Moment;
  /** When its startup check passed. */
  readonly readyAt?: Moment;
  /** Set from the first signal on. */
  readonly ending?: { readonly end: End; readonly since: Moment; readonly killedAt?: Moment };
}

export const INITIAL_STATE: KeeperState = { attempt: 0, nonce: 0, restarts: [], isCleanExitUsed: false, wasRunning: false, stage: { kind: 'idle' } };

/** What the keeper sees at this moment and forgets when the agent ends. */
export interface KeeperFacts extends ProcessFacts {
  /** Artifact and install are done on this node. */
  readonly isPrepared: boolean;
  readonly check: CheckFacts;
}

/** What is seen of the process of an attempt. */
export interface ProcessFacts {
  /** Set once the leader of the process's group has ended. */
  readonly exit?: ProcessExit;
  /** The group was looked at after the end of its leader, and nobody is left. */
  readonly isGroupGone: boolean;
  /** When the group was looked at last and by how many looks since its end began. */
  readonly looks: number;
  readonly lookedAt?: Moment;
}

export const UNSEEN: ProcessFacts = { isGroupGone: false, looks: 0 };
