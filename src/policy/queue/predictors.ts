import { PlatformError } from '#base/errors';
import type { OptionKinds, OptionsOf, PolicyString } from '../policy-string.ts';
import { integerOption, numberOption, parsePolicyString, readOptions } from '../policy-string.ts';
import type { Micros } from './queue-policy.ts';

/** Predicts the service of a job from jobs of its kind that ended before it came: never from its own future. */
export interface Predictor {
  /** 0 while nothing is known. */
  predict(kind: number): Micros;
  /** A job of this kind ended after so much service. */
  learn(kind: number, service: Micros): void;
}

/** What one kind's predictor keeps. */
interface Memory {
  learn(service: Micros): void;
  predict(): Micros;
}

interface Entry {
  readonly about: string;
  make(policy: PolicyString): () => Memory;
}

/** Every predictor by name. */
export const PREDICTORS: Readonly<Record<string, Entry>> = {
  'last-two': entry('the mean of the last two of the kind (Tsafrir, Etsion, Feitelson 2007)', {}, () => lastTwo),
  ewma: entry(
    'a moving average, in which the newest weighs so much',
    { newest: numberOption(0.25, { least: 0.001, most: 1 }) },
    ({ newest }) =>
      () =>
        movingAverage(newest),
  ),
  p90: entry(
    'the 90th percentile of so many of the kind',
    { window: integerOption(50, { least: 2, most: 10_000 }) },
    ({ window }) =>
      () =>
        highest(window),
  ),
};

/** Makes a predictor from its string, such as `ewma?newest=0.5`. A kind that nobody has seen is taken for the average of all. INVALID for an unknown name or option. */
export function makePredictor(text: string): Predictor {
  const policy = parsePolicyString(text);
  const found = Object.hasOwn(PREDICTORS, policy.name) ? PREDICTORS[policy.name] : undefined;
  if (found === undefined) {
    throw new PlatformError(
      'INVALID',
      `Cannot predict by "${text}", because there is no predictor "${policy.name}"; there are ${Object.keys(PREDICTORS).join(', ')}`,
      { text },
    );
  }
  const remember = found.make(policy);
  const kinds = new Map<number, Memory>();
  let count = 0;
  let sum = 0;
  return {
    predict: (kind) => {
      const known = kinds.get(kind);
      if (known === undefined) return count === 0 ? 0 : Math.max(1, Math.round(sum / count));
      return Math.max(1, Math.round(known.predict()));
    },
    learn: (kind, service) => {
      count += 1;
      sum += service;
      let known = kinds.get(kind);
      if (known === undefined) {
        known = remember();
        kinds.set(kind, known);
      }
      known.learn(service);
    },
  };
}

/** Jobs whose declared sizes are within a factor of two share a bucket; 0 for those that declare none. */
export function sizeBucket(declared: Micros): number {
  // Whole powers of two, by comparison: the last digit of a logarithm is not the same on every engine.
  let bucket = 0;
  for (let bound = 1; bound <= declared; bound *= 2) bucket += 1;
  return bucket;
}

function entry<Kinds extends OptionKinds>(about: string, options: Kinds, make: (options: OptionsOf<Kinds>) => () => Memory): Entry {
  return { about, make: (policy) => make(readOptions(policy, options)) };
}

function lastTwo(): Memory {
  let last = 0;
  let before = 0;
  return {
    learn: (service) => {
      before = last === 0 ? service : last;
      last = service;
    },
    predict: () => (last + before) / 2,
  };
}

function movingAverage(newest: number): Memory {
  let average = -1;
  return {
    learn: (service) => {
      average = average < 0 ? service : average + newest * (service - average);
    },
    predict: () => average,
  };
}

function highest(window: number): Memory {
  const recent: number[] = [];
  /** The same, sorted. */
  const sorted: number[] = [];
  const placeOf = (service: number): number => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] as number) < service) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    learn: (service) => {
      recent.push(service);
      sorted.splice(placeOf(service), 0, service);
      if (recent.length > window) sorted.splice(placeOf(recent.shift() as number), 1);
    },
    predict: () => sorted[Math.max(0, Math.ceil(0.9 * sorted.length) - 1)] as number,
  };
}
