import type { Name } from '#base/name';
import type { InstanceId } from '#model/instance';
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
  /** Two instances of the service share a node only when no other can take one: active and standby must not fail together. */
  readonly apart?: true;
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
  /** Which one it is; absent for one that only a plan knows so far. */
  readonly id?: InstanceId;
  /** It will go, or its successor takes its place: it still takes room, and is no longer a neighbour to keep away from. */
  readonly leaves?: true;
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
