/** A candidate whose weight is held back while it is young. */
export interface RampedCandidate {
  /** As configured. */
  readonly fullWeight: number;
  /** When it came or came back, in ms on the caller's clock; -Infinity: it never counted as young. */
  readonly youngSince: number;
  /** What policies see: `fullWeight`, or a share of it. */
  weight: number;
  /** See `WeightedCandidate`: never above the weight. */
  effectiveWeight: number;
}

export const SLOW_START = { rampMs: 30_000, firstShare: 0.1, mostYoungWeight: 0.5 } as const;

/** The share of its weight that a backend of this age gets: linear from a tenth to all. */
export function slowStartShare(ageMs: number, rampMs: number): number {
  if (ageMs >= rampMs) return 1;
  return SLOW_START.firstShare + (1 - SLOW_START.firstShare) * Math.max(0, ageMs / rampMs);
}

/**
 * Sets the weight of each candidate by its age. When more than half of the weight is young there is nobody to lean on, and all get their full weight. Called when
 * candidates change and every so often while this is true: that some candidate is still young.
 */
export function rampWeights(candidates: readonly RampedCandidate[], now: number, rampMs: number): boolean {
  let total = 0;
  let young = 0;
  for (const { fullWeight, youngSince } of candidates) {
    total += fullWeight;
    if (now - youngSince < rampMs) young += fullWeight;
  }
  const isOff = young > total * SLOW_START.mostYoungWeight;
  for (const candidate of candidates) {
    candidate.weight = isOff ? candidate.fullWeight : candidate.fullWeight * slowStartShare(now - candidate.youngSince, rampMs);
    candidate.effectiveWeight = Math.min(candidate.effectiveWeight, candidate.weight);
  }
  return young > 0;
}
