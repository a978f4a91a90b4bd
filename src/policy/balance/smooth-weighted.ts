/** What smooth weighted round robin remembers of one backend. Its own fields are changed by picking. */
export interface WeightedCandidate {
  /** As configured; 0 gets nothing. */
  readonly weight: number;
  /** Falls when it fails, climbs back by one per pick. Begins at `weight`. */
  effectiveWeight: number;
  /** Begins at 0. */
  currentWeight: number;
}

/**
 * Smooth weighted round robin as in nginx: each candidate gains its effective weight, the largest is picked and loses the sum, so weights {5, 1, 1}
 * give a a b a c a a. `undefined` if all are excluded or weigh nothing. Picked in place: one call per request must not allocate.
 */
export function pickSmoothWeighted<Candidate extends WeightedCandidate>(
  candidates: readonly Candidate[],
  excluded: readonly Candidate[] | undefined,
): Candidate | undefined {
  if (candidates.length === 1 && excluded === undefined) return weighing(candidates[0]);
  let best: Candidate | undefined;
  let total = 0;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate;
    if (candidate.weight <= 0 || excluded?.includes(candidate)) continue;
    candidate.currentWeight += candidate.effectiveWeight;
    total += candidate.effectiveWeight;
    if (candidate.effectiveWeight < candidate.weight) candidate.effectiveWeight = Math.min(candidate.weight, candidate.effectiveWeight + 1);
    // Strictly greater keeps the order of the list on ties.
    if (best === undefined || candidate.currentWeight > best.currentWeight) best = candidate;
  }
  if (best !== undefined) best.currentWeight -= total;
  return best;
}

/** After a failure a candidate is picked less often until it has been passed over for a while. `failuresToZero` failures in a row take all its weight. */
export function weakenAfterFailure(candidate: WeightedCandidate, failuresToZero: number): void {
  candidate.effectiveWeight = Math.max(0, candidate.effectiveWeight - candidate.weight / failuresToZero);
}

function weighing<Candidate extends WeightedCandidate>(candidate: Candidate | undefined): Candidate | undefined {
  return candidate !== undefined && candidate.weight > 0 ? candidate : undefined;
}
