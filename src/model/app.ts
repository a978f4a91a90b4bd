import type { Name } from '#base/name';
import type { UnixMs } from '#world/world';
import type { InstanceId } from './instance.ts';
import type { Rescheduling } from './rescheduling.ts';
import type { AppSpec } from './spec.ts';

/** What the user wants of one app. At /apps/NAME. */
export interface App {
  readonly name: Name;
  /** The release that should run. Raised by deploy and rollback. */
  readonly release: number;
  /** Counts set by `scale`, which win over the spec's until the next deploy that changes the spec's count. */
  readonly counts: Readonly<Record<string, number>>;
  /** Set by `rm`: every instance is stopped, then the app's keys are deleted. */
  readonly removing: boolean;
  /** For services in active/standby: the instance slot that should be the active one, set by `switch`. */
  readonly activeSlots: Readonly<Record<string, number>>;
  /** Raised by `restart`, by `web` or `web.2`: instances of a lower generation are replaced as in an update. Absent = 0. */
  readonly restarts?: Readonly<Record<string, number>>;
}

/** The generation that the instance of a slot should have. */
export function generationOf({ restarts = {} }: App, service: string, slot: number): number {
  return Math.max(restarts[service] ?? 0, restarts[`${service}.${slot}`] ?? 0);
}

/** One deployed version of an app. Immutable but for its outcome. At /releases/APP/NUMBER. */
export interface Release {
  readonly app: Name;
  readonly number: number;
  readonly spec: AppSpec;
  /** Content address of the uploaded files, `sha256-HEX`; none if the app runs commands of the machine only. */
  readonly artifact?: string;
  readonly createdAt: UnixMs;
  /** Set when this release was made by a rollback: the release it repeats. */
  readonly rollbackOf?: number;
  /** Of a release with a release command: what the app goes on with until the command has passed; absent: it had nothing. */
  readonly before?: { readonly release: number; readonly counts: App['counts'] };
  /** How far its release command is (R11); absent: not looked at yet. */
  readonly command?: ReleaseCommandState;
  readonly outcome: ReleaseOutcome;
}

export type ReleaseCommandState =
  | { readonly kind: 'waiting'; readonly since: UnixMs; readonly reason: string }
  | { readonly kind: 'running'; readonly since: UnixMs; readonly instance: InstanceId; readonly node: Name }
  | { readonly kind: 'passed'; readonly at: UnixMs };

/** True while nothing of the release may be placed, because its release command has not passed. */
export function isGated({ spec, command }: Pick<Release, 'spec' | 'command'>): boolean {
  return spec.releaseCommand !== undefined && command?.kind !== 'passed';
}

/** The app as its services are to see it: while the wanted release is gated, as it was before. `undefined`: there was nothing before. */
export function effectiveApp(app: App, wanted: Release | undefined): App | undefined {
  if (wanted === undefined || app.removing || !isGated(wanted)) return app;
  return wanted.before && { ...app, release: wanted.before.release, counts: { ...wanted.before.counts, ...app.counts } };
}

export type ReleaseOutcome =
  | { readonly kind: 'rolling' }
  /** Every instance was healthy: a target for automatic revert. */
  | { readonly kind: 'stable'; readonly at: UnixMs }
  | { readonly kind: 'superseded'; readonly at: UnixMs; readonly by: number }
  /** `reverted`: the app runs release `to` again. `failed`: there was nothing to go back to. */
  | { readonly kind: 'reverted'; readonly at: UnixMs; readonly to: number; readonly cause: FailureCause }
  | { readonly kind: 'failed'; readonly at: UnixMs; readonly cause: FailureCause };

/** Why a deploy failed, in a form people can act on. */
export interface FailureCause {
  readonly code:
    | 'exited'
    | 'start-timeout'
    | 'unhealthy'
    | 'not-placed'
    | 'install-failed'
    | 'fetch-failed'
    | 'command-missing'
    | 'port-in-use'
    | 'progress-deadline'
    | 'release-command'
    | 'superseded';
  /** A sentence without a full stop. */
  readonly message: string;
  readonly instance?: string;
  readonly node?: string;
  /** Last lines the instance wrote, oldest first, at most 20. */
  readonly output?: readonly string[];
}

/** How far control has brought one service. At /services/APP/SERVICE. */
export interface ServiceState {
  readonly app: Name;
  readonly service: Name;
  /** The serial the next instance gets. */
  readonly nextSerial: number;
  /** Loopback port at the gateway where other services reach this one; allocated once. */
  readonly internalPort?: number;
  /** The active instance's slot in active/standby. */
  readonly activeSlot?: number;
  readonly rollout: Rollout;
  /** By slot; absent = never given up. */
  readonly rescheduling?: Readonly<Record<string, Rescheduling>>;
  /** Why the service is not as wanted, for `why`; empty only when it is. */
  readonly pending: readonly string[];
}

export type Rollout =
  | { readonly phase: 'idle'; readonly release: number }
  | {
      readonly phase: 'rolling';
      readonly release: number;
      readonly from: number | undefined;
      readonly startedAt: UnixMs;
      readonly progressAt: UnixMs;
      readonly healthy: number;
    }
  /** `revertTo`: the release this service runs instead, itself never reverted again; none: nothing is placed until the next deploy. */
  | { readonly phase: 'failed'; readonly release: number; readonly revertTo?: number; readonly cause: FailureCause; readonly at: UnixMs };
