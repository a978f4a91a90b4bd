import { loadAfter } from './load.ts';
import type { PlacementNode, PlacementRequest } from './request.ts';

/** Likes the node with the fewest instances of the same service, then the emptiest: one lost node takes as little as possible along. */
export function spreadScore(request: PlacementRequest, node: PlacementNode): number {
  const siblings = node.assigned.filter((assigned) => assigned.app === request.app && assigned.service === request.service).length;
  const load = loadAfter(request, node);
  // The load is at most 1, so a sibling always outweighs it.
  return -2 * siblings - Math.max(load.cpu, load.memory);
}
