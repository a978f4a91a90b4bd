import { usedResources } from './feasible.ts';
import type { PlacementNode, PlacementRequest } from './request.ts';

/** The shares of a node's cores and memory in use once the instance is there, 0 … 1. */
export function loadAfter(request: PlacementRequest, node: PlacementNode): { readonly cpu: number; readonly memory: number } {
  const used = usedResources(node);
  return {
    cpu: share(used.cpu + request.resources.cpu, node.capacity.cpu),
    memory: share(used.memoryBytes + request.resources.memoryBytes, node.capacity.memoryBytes),
  };
}

function share(part: number, whole: number): number {
  return whole <= 0 ? 0 : Math.min(1, part / whole);
}
