import { PlatformError } from '#base/errors';
import type { Advice } from './advise.ts';
import type { ReplayFigures } from './advise-replay.ts';

const KEPT = [
  ['mean_response', 'mean response'],
  ['p50_response', 'median response'],
  ['p99_response', '99th percentile of response'],
  ['mean_wait', 'mean wait'],
  ['p99_wait', '99th percentile of wait'],
  ['mean_slowdown', 'mean slowdown'],
  ['worst_tenant_p99', '99th percentile of the worst-off tenant'],
] as const;

/** What an advice predicted, to be kept until it can be compared with what came. Seconds. */
export interface Prediction {
  readonly prediction: 'haven-advice';
  readonly version: 1;
  readonly policy: string;
  readonly metrics: Readonly<Record<string, { readonly value: number; readonly low: number; readonly high: number }>>;
}

/** Keeps what the advised policy did on the log and on the resamples of it. */
export function predictionOf(advice: Advice, candidate: { readonly figures: ReplayFigures; readonly resamples: readonly ReplayFigures[] }): Prediction {
  const metrics = Object.fromEntries(
    KEPT.map(([metric]) => {
      const value = candidate.figures.metrics[metric] ?? 0;
      const all = [value, ...candidate.resamples.map((one) => one.metrics[metric] ?? 0)];
      return [metric, { value, low: Math.min(...all), high: Math.max(...all) }];
    }),
  );
  return { prediction: 'haven-advice', version: 1, policy: advice.policy, metrics };
}

/** Reads a prediction back. INVALID when it is not one. */
export function readPrediction(value: unknown): Prediction {
  const isObject = typeof value === 'object' && value !== null;
  const fields = (isObject ? value : {}) as Readonly<Record<string, unknown>>;
  if (fields['prediction'] !== 'haven-advice' || fields['version'] !== 1 || typeof fields['policy'] !== 'string' || typeof fields['metrics'] !== 'object') {
    throw new PlatformError('INVALID', 'Cannot compare with the prediction, because the file is not one that "haven lab advise --save" wrote');
  }
  return value as Prediction;
}

export interface RecheckRow {
  readonly label: string;
  readonly predicted: number;
  readonly low: number;
  readonly high: number;
  readonly observed: number;
  readonly isInside: boolean;
  /** (observed − predicted) / predicted. */
  readonly deviation: number;
}

/** What was predicted beside what was observed after the change. */
export function recheck(prediction: Prediction, observed: ReplayFigures): readonly RecheckRow[] {
  return KEPT.flatMap(([metric, label]) => {
    const was = prediction.metrics[metric];
    if (was === undefined) return [];
    const is = observed.metrics[metric] ?? 0;
    return [
      {
        label,
        predicted: was.value,
        low: was.low,
        high: was.high,
        observed: is,
        isInside: is >= was.low && is <= was.high,
        deviation: was.value === 0 ? 0 : (is - was.value) / was.value,
      },
    ];
  });
}
