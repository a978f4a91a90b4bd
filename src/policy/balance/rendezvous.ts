import type { BalanceCandidate, Pick, PickRequest } from './candidate.ts';
import { mixHashes } from './key-hash.ts';

/**
 * Weighted rendezvous hashing with bounded load: each candidate gets a score from the key and its own id, and the highest wins, so that a candidate that comes or
 * goes moves only the keys that it gains or had. Scores −weight / ln u give each its share (Schindelhauer and Schomaker 2005, "Weighted Distributed Hash Tables").
 *
 * A candidate that has `loadFactor` times its share of the requests in flight is passed over, so that one hot key cannot sink it (Mirrokni, Thorup and
 * Zadimoghaddam 2018, "Consistent Hashing with Bounded Loads").
 */
export function rendezvousPicker(loadFactor: number): Pick {
  return (candidates, excluded, request) => pickRendezvous(candidates, excluded, request, loadFactor);
}

function pickRendezvous<Candidate extends BalanceCandidate>(
  candidates: readonly Candidate[],
  excluded: readonly Candidate[] | undefined,
  request: PickRequest,
  loadFactor: number,
): Candidate | undefined {
  let weights = 0;
  let requests = 1;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate;
    if (candidate.weight <= 0 || excluded?.includes(candidate)) continue;
    weights += candidate.weight;
    requests += candidate.inFlight;
  }
  // Someone is always at or below the mean, so someone is always within the bound.
  const perWeight = (loadFactor * requests) / weights;
  let best: Candidate | undefined;
  let bestScore = -1;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate;
    if (candidate.weight <= 0 || excluded?.includes(candidate) || candidate.inFlight >= Math.ceil(perWeight * candidate.weight)) continue;
    const score = scoreOf(candidate, request.keyHash);
    if (score > bestScore) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
}

/** Grows with the weight; in (0, ∞). */
function scoreOf(candidate: BalanceCandidate, keyHash: number): number {
  const uniform = (mixHashes(keyHash, candidate.hash) + 0.5) / 2 ** 32;
  return -candidate.weight / Math.log(uniform);
}
