/** Student's t for 95 %, two-sided, by degrees of freedom from 1; beyond the list it is close to the last. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093] as const;
const STUDENT_BEYOND = 2.0;

/** A number and half the width of its 95 % confidence interval; 0 where none is known. */
export interface Interval {
  readonly value: number;
  readonly halfWidth: number;
}

/** Student's t for a 95 % interval around the mean of `count` values. */
export function studentOf(count: number): number {
  return count < 2 ? 0 : (STUDENT[count - 2] ?? STUDENT_BEYOND);
}

export function meanOf(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return values.length === 0 ? 0 : sum / values.length;
}

/** Standard deviation of a sample; 0 for fewer than two values. */
export function deviationOf(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = meanOf(values);
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/**
 * What independent runs of one experiment say together: the mean over runs. The interval is the wider of the runs' own (batch means) and
 * the spread between them, because each alone can be too narrow.
 */
export function intervalOfRuns(runs: readonly Interval[]): Interval {
  const values = runs.map((run) => run.value);
  const within = Math.sqrt(meanOf(runs.map((run) => run.halfWidth ** 2)) / Math.max(1, runs.length));
  const between = (studentOf(runs.length) * deviationOf(values)) / Math.sqrt(Math.max(1, runs.length));
  return { value: meanOf(values), halfWidth: Math.max(within, between) };
}

/** What a recorded trace says: its own value, with the spread over resamples of it as standard error (bootstrap). */
export function intervalOfTrace(whole: number, resamples: readonly number[]): Interval {
  return { value: whole, halfWidth: studentOf(resamples.length) * deviationOf(resamples) };
}
