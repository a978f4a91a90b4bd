import { makePredictor } from '#policy/queue/predictors';
import type { Micros } from '#policy/queue/queue-policy';
import type { JobRecord, JobSource } from './job-source.ts';
import type { SimTask } from './sim-task.ts';
import type { SimulationObserver } from './simulation-options.ts';

/** Estimates made while jobs run: a source whose jobs are predicted on arrival from those that have ended, and the observer it learns by. */
export function predicting(
  source: JobSource,
  predictor: string,
  /** Whether what the source says is an upper bound, as times asked for by users are: no prediction exceeds it, and it stands in while nothing is known. */
  options: { readonly isBounded?: boolean } = {},
): { readonly source: JobSource; readonly observer: SimulationObserver } {
  const { predict, learn } = makePredictor(predictor);
  return {
    source: {
      get nextAt() {
        return source.nextAt;
      },
      take: (record: JobRecord) => {
        source.take(record);
        const predicted = predict(record.group);
        if (options.isBounded !== true) record.estimate = predicted;
        else if (predicted > 0) record.estimate = Math.min(record.estimate, predicted);
      },
      onLeave: (now: Micros) => source.onLeave?.(now),
    },
    observer: { finished: (task: SimTask) => learn(task.group, task.size) },
  };
}

/** Both hear everything; either may be absent. */
export function observers(first: SimulationObserver, second: SimulationObserver | undefined): SimulationObserver {
  if (second === undefined) return first;
  return {
    slice: (task, from, to) => {
      first.slice?.(task, from, to);
      second.slice?.(task, from, to);
    },
    finished: (task, now) => {
      first.finished?.(task, now);
      second.finished?.(task, now);
    },
    population: (now, inSystem) => {
      first.population?.(now, inSystem);
      second.population?.(now, inSystem);
    },
  };
}
