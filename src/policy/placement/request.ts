import type { Name } from '#base/name';
import type { NodeCondition } from '#model/node';
import type { Resources } from '#model/resources';
import type { PlacementSpec } from '#model/spec';

/** One instance that needs a node. */
export interface PlacementRequest {
  readonly app: Name;
  readonly service: Name;
  readonly resources: Resources;
  readonly hostPort?: number;
  readonly placement: PlacementSpec;
  /** Nodes to take only when no other can (B1: where it failed before). */
  readonly avoid: ReadonlySet<Name>;
}

/** A node as placement sees it. */
export interface PlacementNode {
  readonly name: Name;
  readonly pool: Name;
  readonly condition: NodeCondition;
  /** Why it takes no new instances; absent = it does. */
  readonly closed?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: Resources;
  /** Every instance whose key exists, those being stopped included: their memory is not free yet. */
  readonly assigned: readonly Assigned[];
}

/** What one instance takes of its node. */
export interface Assigned {
  readonly app: Name;
  readonly service: Name;
  readonly resources: Resources;
  readonly hostPort?: number;
}

/** Where it goes, or why not, node by node. */
export type Placement =
  | { readonly placed: true; readonly node: Name; readonly score: number }
  | {
      readonly placed: false;
      /** One sentence for every node, without a full stop. */
      readonly reasons: ReadonlyMap<Name, string>;
      /** True when waiting cannot help: no node could take it even if it were empty (R5). */
      readonly lasting: boolean;
    };

/** How a feasible node is liked: the highest score wins, equal scores by name. */
export type Scorer = (request: PlacementRequest, node: PlacementNode) => number;
