import type { AnswerLatency } from './answer-latency.ts';
import type { WeightedCandidate } from './smooth-weighted.ts';

/** What a balance policy may look at of one usable backend. */
export interface BalanceCandidate extends WeightedCandidate {
  /** Requests and tunnels it has now. */
  readonly inFlight: number;
  /** Of its id, by `hashText`: the same in every gateway, so that all hash a key to the same backend. */
  readonly hash: number;
  /** How long it takes to answer; only kept where a policy asks for it. */
  readonly latency: AnswerLatency | undefined;
}

/**
 * What a decision is about. One object serves all decisions of a service: making one per request would be garbage per request. Made by this class and not as
 * a literal, because V8 then writes its fractions in place.
 */
export class PickRequest {
  /** In ms on the caller's clock. */
  now = 0;
  /** Fresh, uniform in [0, 1). */
  luck = 0;
  /** Of what the policy's affinity names, by `hashText` or `hashBytes`; 0 without one. */
  keyHash = 0;
}

/** Picks one of the usable candidates for a request; `excluded` are those it already tried. Never allocates, never waits. */
export type Pick = <Candidate extends BalanceCandidate>(
  candidates: readonly Candidate[],
  excluded: readonly Candidate[] | undefined,
  request: PickRequest,
) => Candidate | undefined;
