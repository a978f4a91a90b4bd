import type { Interval } from './compare-interval.ts';

/** What a number of workers achieves: the measure over seeds, and how many seeds meet the target. */
export interface Trial {
  readonly workers: number;
  readonly measured: Interval;
  /** Part of the seeds that meet the target. */
  readonly met: number;
}

export type Verdict = 'enough' | 'unclear' | 'too few';

export interface CapacityAnswer {
  /** The fewest workers that are enough with 95 % confidence; undefined when even the most allowed are not. */
  readonly workers: number | undefined;
  /** From the fewest workers that may be enough to the fewest that surely are. */
  readonly bracket: readonly [possible: number, sure: number] | undefined;
  /** Everything that was tried, by workers. */
  readonly trials: readonly (Trial & { readonly verdict: Verdict })[];
  /** Fewer workers than this cannot keep up with the work at all. */
  readonly least: number;
  /** Whether more workers stopped helping before the target was met: the jobs themselves take that long. */
  readonly isFloor: boolean;
}

/** Neighbours of the answer that are tried on each side to settle what is unclear. */
const MOST_NEIGHBOURS = 6;
/** Doubling the workers changes less than this: nobody waits any more. */
const STILL = 0.001;

/**
 * Finds how many workers meet a target by doubling and halving, then settles the neighbourhood. More workers are taken to be never
 * worse. `evaluate` runs all seeds of a number of workers.
 */
export async function searchCapacity(options: {
  readonly target: number;
  /** Work that arrives, in workers kept busy by it. */
  readonly work: number;
  readonly most: number;
  readonly evaluate: (workers: number) => Promise<Trial | undefined>;
}): Promise<CapacityAnswer> {
  const { target, most, evaluate } = options;
  const least = Math.max(1, Math.floor(options.work) + 1);
  const trials = new Map<number, Trial>();
  const tried = async (workers: number): Promise<Trial | undefined> => {
    const known = trials.get(workers) ?? (await evaluate(workers));
    if (known !== undefined) trials.set(workers, known);
    return known;
  };
  const meets = async (workers: number): Promise<boolean | undefined> => {
    const trial = await tried(workers);
    return trial === undefined ? undefined : trial.measured.value <= target;
  };
  let low = least - 1;
  let high = least;
  // The step doubles from the fewest, because the answer is near them more often than not.
  for (let step = 1; high <= most; step *= 2) {
    const isMet = await meets(high);
    if (isMet === undefined) return answerOf(trials, { target, least });
    if (isMet) break;
    const [before, now] = [trials.get(low)?.measured.value, trials.get(high)?.measured.value];
    if (before !== undefined && now !== undefined && before - now < STILL * before) return { ...answerOf(trials, { target, least }), isFloor: true };
    low = high;
    high = high === most ? most + 1 : Math.min(most, high + step);
  }
  while (high <= most && high - low > 1) {
    const middle = (low + high) >> 1;
    const isMet = await meets(middle);
    if (isMet === undefined) return answerOf(trials, { target, least });
    if (isMet) high = middle;
    else low = middle;
  }
  for (let workers = high, left = MOST_NEIGHBOURS; workers <= most && left > 0; workers += 1, left -= 1) {
    const trial = await tried(workers);
    if (trial === undefined || verdictOf(trial, target) === 'enough') break;
  }
  for (let workers = high - 1, left = MOST_NEIGHBOURS; workers >= least && left > 0; workers -= 1, left -= 1) {
    const trial = await tried(workers);
    if (trial === undefined || verdictOf(trial, target) === 'too few') break;
  }
  return answerOf(trials, { target, least });
}

/** Whether chance is ruled out either way. */
export function verdictOf({ measured }: Trial, target: number): Verdict {
  if (measured.value + measured.halfWidth <= target) return 'enough';
  return measured.value - measured.halfWidth > target ? 'too few' : 'unclear';
}

function answerOf(trials: ReadonlyMap<number, Trial>, { target, least }: { readonly target: number; readonly least: number }): CapacityAnswer {
  const sorted = [...trials.values()].sort((a, b) => a.workers - b.workers).map((trial) => ({ ...trial, verdict: verdictOf(trial, target) }));
  const lastTooFew = sorted.findLast((trial) => trial.verdict === 'too few')?.workers ?? least - 1;
  const sure = sorted.find((trial) => trial.verdict === 'enough' && trial.workers > lastTooFew)?.workers;
  return { workers: sure, bracket: sure === undefined ? undefined : [Math.min(sure, lastTooFew + 1), sure], trials: sorted, least, isFloor: false };
}
