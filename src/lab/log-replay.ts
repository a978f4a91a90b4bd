import { makeQueuePolicy } from '#policy/queue/policies';
import type { Micros } from '#policy/queue/queue-policy';
import type { ListedJob } from './job-source.ts';
import { ListSource, UNIT } from './job-source.ts';
import { predicting } from './predicting-source.ts';
import { JobSimulation } from './simulator.ts';

/** What a replay of a log of parallel jobs measures; times in seconds. */
export interface ReplayResult {
  readonly jobs: number;
  readonly mean_wait: number;
  readonly max_wait: number;
  readonly mean_flow: number;
  readonly max_flow: number;
  readonly mean_bounded_slowdown: number;
  readonly max_bounded_slowdown: number;
  readonly p99_wait: number;
  readonly utilisation: number;
  readonly makespan: number;
  readonly preemptions: number;
  readonly events: number;
  readonly fallback: string;
}

/** Replays jobs on a pool of processors under a queue policy, from the first submission to the last completion; a predictor goes by the user. */
export function replayLog(
  jobs: readonly ListedJob[],
  options: { readonly policy: string; readonly processors: number; readonly tau?: Micros; readonly seed?: number; readonly predictor?: string },
): ReplayResult {
  const listed = new ListSource(jobs);
  const predicted = options.predictor === undefined ? undefined : predicting(listed, options.predictor, { isBounded: true });
  const simulation = new JobSimulation({
    policy: makeQueuePolicy(options.policy),
    source: predicted?.source ?? listed,
    ...(predicted === undefined ? {} : { observer: predicted.observer }),
    workers: options.processors,
    pooled: true,
    jobs: jobs.length,
    seed: options.seed ?? 1,
    window: 'all',
    tau: options.tau ?? 10 * UNIT,
  }).simulate();
  const { wait, response, boundedSlowdown, waits } = simulation.statistics;
  return {
    jobs: simulation.statistics.finished,
    mean_wait: wait.mean / UNIT,
    max_wait: wait.most / UNIT,
    mean_flow: response.mean / UNIT,
    max_flow: response.most / UNIT,
    mean_bounded_slowdown: boundedSlowdown.mean,
    max_bounded_slowdown: boundedSlowdown.most,
    p99_wait: waits.quantile(0.99) / UNIT,
    utilisation: simulation.meter.busy / (Math.max(1, simulation.lastDeparture) * options.processors),
    makespan: simulation.lastDeparture / UNIT,
    preemptions: simulation.meter.preemptions,
    events: simulation.events,
    fallback: simulation.fallback,
  };
}
