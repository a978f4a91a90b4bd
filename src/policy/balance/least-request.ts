import type { BalanceCandidate } from './candidate.ts';

/**
 * The candidate with the fewest requests in flight for its weight; among equals, smooth weighted round robin, as nginx's least_conn does it. Without the turns a
 * pool without load would send everything to its first member.
 */
export function pickLeastRequest<Candidate extends BalanceCandidate>(
  candidates: readonly Candidate[],
  excluded: readonly Candidate[] | undefined,
): Candidate | undefined {
  let least: Candidate | undefined;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate;
    if (candidate.weight <= 0 || excluded?.includes(candidate)) continue;
    // Compared crosswise: inFlight / weight without a division.
    if (least === undefined || candidate.inFlight * least.weight < least.inFlight * candidate.weight) least = candidate;
  }
  if (least === undefined) return undefined;
  let best: Candidate | undefined;
  let total = 0;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate;
    if (candidate.weight <= 0 || candidate.inFlight * least.weight !== least.inFlight * candidate.weight || excluded?.includes(candidate)) continue;
    candidate.currentWeight += candidate.effectiveWeight;
    total += candidate.effectiveWeight;
    if (candidate.effectiveWeight < candidate.weight) candidate.effectiveWeight = Math.min(candidate.weight, candidate.effectiveWeight + 1);
    if (best === undefined || candidate.currentWeight > best.currentWeight) best = candidate;
  }
  if (best !== undefined) best.currentWeight -= total;
  return best;
}
