import type { Name } from '#base/name';
import type { Resources } from './resources.ts';
import type { Traffic } from './traffic.ts';

/** What is to run, fully resolved: every default filled in, every duration in ms, every size in bytes. Plain data; the cluster stores only this. */
export interface AppSpec {
  readonly name: Name;
  readonly services: Readonly<Record<string, ServiceSpec>>;
  /** Environment of every service. */
  readonly environment: Readonly<Record<string, string>>;
  /** Names of secrets given to every service as environment variables. */
  readonly secrets: readonly string[];
  /** Runs once per deploy before the first placement (R11); failure stops the deploy with nothing changed. */
  readonly releaseCommand?: CommandSpec;
  /** What a failed service reverts (R12). */
  readonly revertScope: 'service' | 'app';
}

/** A program and its arguments: never a shell line. */
export interface CommandSpec {
  readonly command: readonly [string, ...string[]];
  readonly timeoutMs: number;
}

export interface ServiceSpec {
  readonly name: Name;
  readonly run: { readonly kind: 'process'; readonly command: readonly [string, ...string[]] };
  readonly install?: CommandSpec;
  /** True: the service listens on the port it is given in PORT. */
  readonly listens: boolean;
  /** A fixed port of the node instead of a free one; then at most one instance per node. */
  readonly hostPort?: number;
  readonly count: number;
  readonly mode: 'balanced' | 'active-standby';
  /** A policy string; absent: `round-robin`. */
  readonly balance?: string;
  /** How gateways treat its requests, where that differs from what all have. */
  readonly traffic?: Traffic;
  readonly resources: Resources;
  readonly environment: Readonly<Record<string, string>>;
  readonly checks: Checks;
  readonly update: UpdateSpec;
  readonly stop: StopSpec;
  readonly restart: RestartSpec;
  readonly placement: PlacementSpec;
  readonly routes: readonly RouteMatch[];
  /** Ports of the gateways whose connections are carried to it as they are; a service has these or `routes`, because it speaks one protocol. Absent: none. */
  readonly tcpPorts?: readonly number[];
  readonly fetchTimeoutMs: number;
}

/** How health is asked for (H1 – H3). */
export interface Checks {
  /** Gates the other two. Without one, startup is passed when the process listens (or at once if it does not). */
  readonly startup: StartupCheck;
  /** Routing only; asked by the gateway. None: routed as soon as startup passes, with a warning (H7). */
  readonly ready?: Check;
  /** Asked by the agent; failing restarts the instance. None: only the end of the process counts. */
  readonly alive?: Check;
}

export type Probe = { readonly kind: 'http'; readonly path: string } | { readonly kind: 'tcp' };

export interface StartupCheck {
  readonly probe?: Probe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Total bound; past it the attempt has failed. */
  readonly startTimeoutMs: number;
}

export interface Check {
  readonly probe: Probe;
  /** Steady pace; faster in transition. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
}

/** R1 – R6. Counts are absolute: percentages were resolved against the service's count. */
export interface UpdateSpec {
  readonly maxParallel: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  readonly minHealthyMs: number;
  readonly healthyDeadlineMs: number;
  readonly progressDeadlineMs: number;
  readonly autoRevert: boolean;
  /** Instances of the new release placed on top before the rest; 0 = none (R7). */
  readonly canary: number;
  readonly autoPromote: boolean;
}

/** S1. */
export interface StopSpec {
  readonly unrouteTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly killTimeoutMs: number;
}

/** B1, B2. */
export interface RestartSpec {
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly attempts: number;
  readonly windowMs: number;
  readonly resetAfterMs: number;
}

export interface PlacementSpec {
  readonly policy: 'spread' | 'bin-pack';
  /** Only nodes of this pool. */
  readonly pool?: Name;
  /** Labels a node must have: `{ disk: 'ssd' }`. */
  readonly constraints: Readonly<Record<string, string>>;
}

/** Which requests reach a service: host exact or `*` for any; path by prefix on segment borders. */
export interface RouteMatch {
  readonly host: string;
  readonly path: string;
  /** By HTTPS only, with a certificate of the cluster's own authority; requests without it are sent there. Absent: as they come. */
  readonly tls?: 'internal';
}
