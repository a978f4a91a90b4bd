import { PlatformError } from '#base/errors';
import type { Micros } from '#policy/queue/queue-policy';

/** Predicts the service of a job from jobs of its kind that ended before it came: never from its own future. */
export interface Predictor {
  /** 0 while nothing is known. */
  predict(kind: number): Micros;
  /** A job of this kind ended after so much service. */
  learn(kind: number, service: Micros): void;
}

const PREDICTORS = ['last-two', 'ewma', 'p90'] as const;

/** Weight of the newest job in the moving average. */
const NEWEST = 0.25;
/** Ended jobs of a kind from which the 90th percentile is taken. */
const REMEMBERED = 50;

/**
 * `last-two`: the mean of the last two of the kind (Tsafrir, Etsion, Feitelson 2007); `ewma`: a moving average; `p90`: the 90th percentile of
 * the last fifty. A kind that nobody has seen is taken for the average of all.
 */
export function makePredictor(name: string): Predictor {
  if (name !== 'last-two' && name !== 'ewma' && name !== 'p90') {
    throw new PlatformError('INVALID', `Cannot predict by "${name}", because there is no such predictor; there are ${PREDICTORS.join(', ')}`, { name });
  }
  const kinds = new Map<number, number[]>();
  let count = 0;
  let sum = 0;
  return {
    predict: (kind) => {
      const known = kinds.get(kind);
      if (known === undefined) return count === 0 ? 0 : Math.max(1, Math.round(sum / count));
      return Math.max(1, Math.round(name === 'ewma' ? (known[0] as number) : name === 'last-two' ? meanOfTwo(known) : highOf(known)));
    },
    learn: (kind, service) => {
      count += 1;
      sum += service;
      const known = kinds.get(kind);
      if (known === undefined) kinds.set(kind, [service]);
      else if (name === 'ewma') known[0] = (known[0] as number) + NEWEST * (service - (known[0] as number));
      else {
        known.push(service);
        if (known.length > (name === 'last-two' ? 2 : REMEMBERED)) known.shift();
      }
    },
  };
}

function meanOfTwo(known: readonly number[]): number {
  return known.length === 1 ? (known[0] as number) : ((known[0] as number) + (known[1] as number)) / 2;
}

function highOf(known: readonly number[]): number {
  const sorted = [...known].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(0.9 * sorted.length) - 1)] as number;
}
