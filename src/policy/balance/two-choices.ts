import type { BalanceCandidate, PickRequest } from './candidate.ts';

/**
 * Power of two choices: of two different candidates drawn at random, the one with the lower cost: its latency times the requests it would then have, for
 * its weight. Two are enough to keep the worst from being picked, and several gateways that know little of each other do not all run to the same best.
 */
export function pickTwoChoices<Candidate extends BalanceCandidate>(
  candidates: readonly Candidate[],
  excluded: readonly Candidate[] | undefined,
  request: PickRequest,
): Candidate | undefined {
  if (excluded !== undefined) return pickCheapest(candidates, excluded, request.now);
  const count = candidates.length;
  if (count <= 1) return count === 1 && (candidates[0] as Candidate).weight > 0 ? candidates[0] : undefined;
  // Both draws come from one number: its whole part picks the first, what is left picks the second.
  const scaled = request.luck * count;
  const first = Math.min(count - 1, Math.floor(scaled));
  let second = Math.min(count - 2, Math.floor((scaled - first) * (count - 1)));
  if (second >= first) second++;
  const a = candidates[first] as Candidate;
  const b = candidates[second] as Candidate;
  const costOfA = costOf(a, request.now);
  const costOfB = costOf(b, request.now);
  if (costOfA === Number.POSITIVE_INFINITY && costOfB === Number.POSITIVE_INFINITY) return pickCheapest(candidates, undefined, request.now);
  return costOfB < costOfA ? b : a;
}

/** What one more request would cost at this candidate; Infinity if it weighs nothing. */
export function costOf(candidate: BalanceCandidate, now: number): number {
  if (candidate.weight <= 0) return Number.POSITIVE_INFINITY;
  return ((candidate.latency === undefined ? 1 : candidate.latency.costMs(now)) * (candidate.inFlight + 1)) / candidate.weight;
}

/** For the rare request that is tried again: there is time to look at all. */
function pickCheapest<Candidate extends BalanceCandidate>(
  candidates: readonly Candidate[],
  excluded: readonly Candidate[] | undefined,
  now: number,
): Candidate | undefined {
  let best: Candidate | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    if (excluded?.includes(candidate)) continue;
    const cost = costOf(candidate, now);
    if (cost < bestCost) {
      best = candidate;
      bestCost = cost;
    }
  }
  return best;
}
