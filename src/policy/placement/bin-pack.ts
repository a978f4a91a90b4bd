import { loadAfter } from './load.ts';
import type { PlacementNode, PlacementRequest } from './request.ts';

/** Likes the node that is fullest afterwards, so that whole nodes stay free for large instances. */
export function binPackScore(request: PlacementRequest, node: PlacementNode): number {
  const load = loadAfter(request, node);
  return (load.cpu + load.memory) / 2;
}
