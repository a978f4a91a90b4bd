import type { Micros } from './queue-policy.ts';

/** The least service that is expected of a task whose estimate is used up, or of which nothing is known. */
const SHORTEST_REST: Micros = 1_000_000;

/** What is left by the estimate; once that is used up, as much again as was served, because whatever ran long tends to run longer. */
export function restAfter(estimate: Micros, served: Micros): Micros {
  return estimate > served ? estimate - served : Math.max(SHORTEST_REST, served);
}
