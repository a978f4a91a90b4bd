import { loadAfter } from './load.ts';
import { appMatesOn, siblingsOn } from './neighbours.ts';
import type { PlacementNode, PlacementRequest } from './request.ts';

/** More of one app than a node ever holds. */
const MOST_MATES = 1_000;

/** Likes the node with the fewest instances of the same service, then of the same app, then the emptiest: one lost node takes as little as possible along. */
export function spreadScore(request: PlacementRequest, node: PlacementNode): number {
  const mates = Math.min(MOST_MATES, appMatesOn(request, node));
  const load = loadAfter(request, node);
  // The load is at most 1 and the mates at most MOST_MATES, so what comes first always outweighs what comes after.
  return -2 * ((MOST_MATES + 1) * siblingsOn(request, node) + mates) - Math.max(load.cpu, load.memory);
}
