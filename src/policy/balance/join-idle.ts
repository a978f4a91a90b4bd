import type { BalanceCandidate, PickRequest } from './candidate.ts';

/**
 * An idle candidate if there is one, any other if not (join the idle queue; Lu et al. 2011). The search begins at a random place, so that several
 * gateways do not all send to the same idle one.
 */
export function pickIdle<Candidate extends BalanceCandidate>(
  candidates: readonly Candidate[],
  excluded: readonly Candidate[] | undefined,
  request: PickRequest,
): Candidate | undefined {
  const count = candidates.length;
  const first = Math.min(count - 1, Math.floor(request.luck * count));
  let fallback: Candidate | undefined;
  for (let step = 0; step < count; step++) {
    const candidate = candidates[(first + step) % count] as Candidate;
    if (candidate.weight <= 0 || excluded?.includes(candidate)) continue;
    if (candidate.inFlight === 0) return candidate;
    fallback ??= candidate;
  }
  return fallback;
}
