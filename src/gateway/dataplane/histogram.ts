/** Buckets per doubling: a value is off by at most 1/8. */
const steps = 4;
const doublings = 24;

/** Number of buckets of a `Histogram`. */
export const BUCKETS = steps * doublings + 1;

/** Counts of durations in buckets that grow geometrically from 16 µs to 4 minutes. Adding is a few instructions and never allocates. */
export class Histogram {
  readonly counts = new Float64Array(BUCKETS);
  /** Of all buckets. */
  count = 0;
  sumMs = 0;

  add(durationMs: number): void {
    const bucket = bucketOf(durationMs);
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.count++;
    this.sumMs += durationMs;
  }
}

/** Bucket of a duration: the units are 16 µs, then four buckets per doubling. */
export function bucketOf(durationMs: number): number {
  const units = (durationMs * 62.5) | 0;
  if (units < steps) return units < 0 ? 0 : units;
  const exponent = 31 - Math.clz32(units);
  return Math.min(BUCKETS - 1, (exponent - 1) * steps + ((units >> (exponent - 2)) & (steps - 1)));
}

/** Upper bound of a bucket in ms; the last has none. */
export function bucketBoundMs(bucket: number): number {
  if (bucket >= BUCKETS - 1) return Number.POSITIVE_INFINITY;
  if (bucket < steps) return (bucket + 1) / 62.5;
  const exponent = Math.floor(bucket / steps) + 1;
  return ((steps + (bucket % steps) + 1) * 2 ** (exponent - 2)) / 62.5;
}

/** The value in ms that `share` of the counted durations do not exceed, at most one bucket too high; 0 without any. */
export function percentileMs(counts: ArrayLike<number>, share: number): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i] as number;
  if (total === 0) return 0;
  let left = total * share;
  for (let i = 0; i < counts.length; i++) {
    left -= counts[i] as number;
    if (left <= 0) return Math.min(bucketBoundMs(i), bucketBoundMs(BUCKETS - 2));
  }
  return bucketBoundMs(BUCKETS - 2);
}
