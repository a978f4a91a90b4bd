import type { World } from '#world/world';
import type { Home } from '../home.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import type { Window } from './meter.ts';

/** One thing done to the running cluster, and what must hold of what clients saw. */
export interface Row {
  /** For `--only`: `kill-instance`. */
  readonly name: string;
  readonly title: string;
  /** In words, for people: what the figures are held against. */
  readonly must: string;
  run(stage: Stage): Promise<Observation>;
  /** Why it does not hold; empty when it does. */
  readonly breaches: (window: Window, observation: Observation) => readonly string[];
}

/** What a row may touch. */
export interface Stage {
  readonly world: World;
  readonly home: Home;
  readonly watch: ClusterWatch;
  readonly signal: AbortSignal;
  /** Runs the `haven` command line for real. */
  haven(...args: readonly string[]): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }>;
}

export interface Observation {
  /** From the fault until the cluster acted on it: out of rotation, or known as lost. */
  readonly detectMs?: number;
  /** From the fault until all is as it was. */
  readonly recoverMs?: number;
  readonly notes?: readonly string[];
  /** What the row itself found wrong, besides what clients saw. */
  readonly wrong?: readonly string[];
}

export interface RowResult extends Window, Observation {
  readonly name: string;
  readonly title: string;
  readonly must: string;
  readonly breaches: readonly string[];
}

/** No request of any method failed. */
export function nothingFailed({ failedGets, failedPosts }: Window): string[] {
  return failedGets + failedPosts === 0 ? [] : [`${failedGets} GETs and ${failedPosts} POSTs failed`];
}

/** No GET failed; a POST only when its answer says that it had been sent already. */
export function onlySentPostsFailed({ failedGets, failedPosts, sentPosts }: Window): string[] {
  return [
    ...(failedGets === 0 ? [] : [`${failedGets} GETs failed`]),
    ...(failedPosts === sentPosts ? [] : [`${failedPosts - sentPosts} POSTs failed without having been sent`]),
  ];
}

/** The time was measured and is within the bound. */
export function within(what: string, tookMs: number | undefined, boundMs: number): string[] {
  if (tookMs === undefined) return [`${what} was not measured`];
  return tookMs <= boundMs ? [] : [`${what} took ${(tookMs / 1_000).toFixed(2)} s, over ${boundMs / 1_000} s`];
}
