import type { Route } from '#model/route';
import { pickSmoothWeighted, type WeightedCandidate } from './smooth-weighted.ts';

/** Picks one of the usable candidates for a request; `excluded` are those it already tried. Never allocates, never waits. */
export type Pick = <Candidate extends WeightedCandidate>(candidates: readonly Candidate[], excluded: readonly Candidate[] | undefined) => Candidate | undefined;

/** Every balance policy a route can name. */
export const BALANCERS = {
  'round-robin': pickSmoothWeighted,
} as const satisfies Record<Route['balance'], Pick>;
