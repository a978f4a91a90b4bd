import type { PlacementNode, PlacementRequest } from './request.ts';

type Whose = Pick<PlacementRequest, 'app' | 'service'>;

/** Instances of the same service on the node that stay there. */
export function siblingsOn({ app, service }: Whose, node: PlacementNode): number {
  return node.assigned.filter((assigned) => assigned.leaves === undefined && assigned.app === app && assigned.service === service).length;
}

/** Instances of other services of the same app on the node that stay there. */
export function appMatesOn({ app, service }: Whose, node: PlacementNode): number {
  return node.assigned.filter((assigned) => assigned.leaves === undefined && assigned.app === app && assigned.service !== service).length;
}
