import type { Name } from '#base/name';
import type { PlacementSpec } from '#model/spec';
import { binPackScore } from './bin-pack.ts';
import { refusalOf } from './feasible.ts';
import { siblingsOn } from './neighbours.ts';
import type { Placement, PlacementNode, PlacementRequest, Scorer } from './request.ts';
import { spreadScore } from './spread.ts';

/** Every placement policy: a new one is a file and a line here. */
export const POLICIES = {
  'bin-pack': binPackScore,
  spread: spreadScore,
} as const satisfies Record<PlacementSpec['policy'], Scorer>;

/** The best node that can take the instance, or the reason of each node that cannot. The order of `nodes` does not matter. */
export function place(request: PlacementRequest, nodes: readonly PlacementNode[]): Placement {
  const reasons = new Map<Name, string>();
  const feasible: PlacementNode[] = [];
  let lasting = nodes.length > 0;
  for (const node of nodes) {
    const refusal = refusalOf(request, node);
    if (refusal === undefined) feasible.push(node);
    else {
      reasons.set(node.name, refusal.reason);
      lasting &&= refusal.lasting;
    }
  }
  const best = bestOf(request, feasible);
  return best === undefined ? { placed: false, reasons, lasting } : { placed: true, ...best };
}

/** The refusal in one sentence, equal reasons together: `worker-1, worker-2: needs 512Mi, 416Mi free`. */
export function explainRefusal(reasons: ReadonlyMap<Name, string>): string {
  if (reasons.size === 0) return 'the cluster has no nodes';
  const nodesByReason = new Map<string, Name[]>();
  for (const [node, reason] of [...reasons].sort(([a], [b]) => compareNames(a, b))) {
    nodesByReason.set(reason, [...(nodesByReason.get(reason) ?? []), node]);
  }
  return [...nodesByReason].map(([reason, nodes]) => `${shortened(nodes)}: ${reason}`).join('; ');
}

function bestOf(request: PlacementRequest, feasible: readonly PlacementNode[]): { readonly node: Name; readonly score: number } | undefined {
  // What the service cannot do without comes before what is merely to be avoided.
  const separate = request.apart ? preferred(feasible, (node) => siblingsOn(request, node) === 0) : feasible;
  const scorer: Scorer = POLICIES[request.placement.policy];
  return preferred(separate, (node) => !request.avoid.has(node.name))
    .map((node) => ({ node: node.name, score: scorer(request, node) }))
    .reduce<{ readonly node: Name; readonly score: number } | undefined>((best, next) => (best === undefined || isBetter(next, best) ? next : best), undefined);
}

/** Those that are liked, or all if none is. */
function preferred(nodes: readonly PlacementNode[], isLiked: (node: PlacementNode) => boolean): readonly PlacementNode[] {
  const liked = nodes.filter(isLiked);
  return liked.length > 0 ? liked : nodes;
}

function isBetter(a: { readonly node: Name; readonly score: number }, b: { readonly node: Name; readonly score: number }): boolean {
  return a.score === b.score ? compareNames(a.node, b.node) < 0 : a.score > b.score;
}

// By number where both end in one: worker-2 before worker-10.
function compareNames(a: Name, b: Name): number {
  const [stemA, numberA] = split(a);
  const [stemB, numberB] = split(b);
  if (stemA !== stemB) return stemA < stemB ? -1 : 1;
  return numberA - numberB || (a < b ? -1 : Number(a > b));
}

function split(name: Name): readonly [string, number] {
  const match = /^(.*?)(\d*)$/.exec(name);
  return [match?.[1] ?? name, Number(match?.[2] || -1)];
}

function shortened(nodes: readonly Name[]): string {
  return nodes.length <= 3 ? nodes.join(', ') : `${nodes[0]}, ${nodes[1]} and ${nodes.length - 2} more`;
}
