import { PlatformError } from '#base/errors';
import type { Fragmentation } from '#policy/placement/fragmentation';
import type { GpuNode, GpuPod } from '#policy/placement/gpu-node';
import { fitsGpuNode, takeGpuPod, WHOLE_GPU } from '#policy/placement/gpu-node';
import type { GpuChoice, GpuScorer } from '#policy/placement/gpu-scorers';
import { anyNode, bestFit, dotProduct, fragmentationGradient, gpuPacking, worstFit } from '#policy/placement/gpu-scorers';
import { choiceOption, integerOption, numberOption, orUnlimited, parsePolicyString, printPolicyString, readOptions } from '#policy/policy-string';
import { exp } from './elementary.ts';
import type { RandomStream } from './random-stream.ts';

/** A placement policy of the lab, from its string. */
export interface GpuPolicy {
  readonly name: string;
  readonly kind: string;
  /** Which of equally liked nodes: the lowest name, or any. */
  readonly tie: 'id' | 'random';
  /** How many feasible nodes are looked at, drawn at random. */
  readonly sample: number;
  /** FGD's typical pods: the most popular ones that make up this share of all. */
  readonly popular: number;
}

const NAMES = ['fgd', 'best-fit', 'worst-fit', 'dot-product', 'gpu-packing', 'first-fit', 'random'] as const;

const OPTIONS = {
  tie: choiceOption(['id', 'random']),
  sample: orUnlimited(integerOption(Number.POSITIVE_INFINITY, { least: 1 })),
  popular: numberOption(1, { least: 0.01, most: 1 }),
};

/** Reads `fgd?tie=random&popular=0.95`. INVALID for an unknown name or option. */
export function parseGpuPolicy(text: string): GpuPolicy {
  const policy = parsePolicyString(text);
  if (!NAMES.some((name) => name === policy.name)) {
    throw new PlatformError('INVALID', `Cannot place by "${text}", because there is no such placement policy; there are ${NAMES.join(', ')}`, { text });
  }
  return { name: printPolicyString(policy), kind: policy.name, ...readOptions(policy, OPTIONS) };
}

/** The scorer of a policy, for a cluster. */
export function scorerOf(policy: GpuPolicy, fragmentation: Fragmentation, cluster: readonly GpuNode[]): GpuScorer {
  const largest = {
    cpuMilli: Math.max(...cluster.map((node) => node.cpuMilli)),
    gpuMilli: Math.max(1, ...cluster.map((node) => node.gpuCount * WHOLE_GPU)),
  };
  switch (policy.kind) {
    case 'fgd':
      return fragmentationGradient(fragmentation, (value) => 1 / (1 + exp(-value)));
    case 'best-fit':
      return bestFit(largest);
    case 'worst-fit':
      return worstFit(largest);
    case 'dot-product':
      return dotProduct(largest);
    case 'gpu-packing':
      return gpuPacking;
    default:
      return anyNode;
  }
}

/** Scores of one kind of pod on every node, brought up to date only where a node changed since. */
interface KindScores {
  readonly scores: Int16Array;
  readonly devices: Int8Array;
  /** The version of each node that was scored; -1: none yet. */
  readonly versions: Int32Array;
  /** How much of the log of changes it has seen, when all nodes are kept up to date. */
  seen: number;
}

const UNFIT = -1;
/** Draws per wanted feasible node, after which all nodes are looked at. */
const MOST_DRAWS = 4;

/**
 * Places pods one by one. A placement changes one node, so the scores of each kind of pod (each `GpuPod` object) are kept and only changed
 * nodes are scored again.
 */
export class GpuPlacer {
  readonly #nodes: readonly GpuNode[];
  readonly #scorer: GpuScorer;
  readonly #policy: GpuPolicy;
  readonly #random: RandomStream;
  readonly #byKind = new Map<GpuPod, KindScores>();
  readonly #changed: number[] = [];
  /** Position in the log of a node's last change: earlier entries of it need not be looked at. */
  readonly #lastChange: Int32Array;
  readonly #versions: Int32Array;
  readonly #choice: GpuChoice = { score: 0, device: -1 };

  constructor(nodes: readonly GpuNode[], scorer: GpuScorer, policy: GpuPolicy, random: RandomStream) {
    this.#nodes = nodes;
    this.#scorer = scorer;
    this.#policy = policy;
    this.#random = random;
    this.#lastChange = new Int32Array(nodes.length).fill(-1);
    this.#versions = new Int32Array(nodes.length);
  }

  /** Takes the best node's resources; false when no node can hold the pod. */
  place(pod: GpuPod): boolean {
    let kind = this.#byKind.get(pod);
    if (kind === undefined) {
      const count = this.#nodes.length;
      kind = { scores: new Int16Array(count), devices: new Int8Array(count), versions: new Int32Array(count).fill(-1), seen: -1 };
      this.#byKind.set(pod, kind);
    }
    const chosen = this.#choose(pod, kind);
    if (chosen === -1) return false;
    const node = this.#nodes[chosen] as GpuNode;
    takeGpuPod(pod, node, this.#deviceOn(pod, node, kind.devices[chosen] as number));
    this.#versions[chosen] = (this.#versions[chosen] as number) + 1;
    this.#lastChange[chosen] = this.#changed.length;
    this.#changed.push(chosen);
    return true;
  }

  /** The best node by the policy's tie-break and sample; -1 when none fits. */
  #choose(pod: GpuPod, kind: KindScores): number {
    const { sample } = this.#policy;
    if (sample < this.#nodes.length) {
      const drawn = this.#chooseAmong(pod, kind, sample);
      if (drawn !== -1) return drawn;
    }
    this.#refresh(pod, kind);
    const isRandom = this.#policy.kind === 'random' || this.#policy.tie === 'random';
    const scores = kind.scores;
    let best = -1;
    let most = UNFIT;
    let ties = 0;
    for (let node = 0; node < scores.length; node += 1) {
      const score = scores[node] as number;
      if (score < most || score === UNFIT) continue;
      ties = score > most ? 1 : ties + 1;
      if (score > most || (isRandom && this.#random.integer(ties) === 0)) best = node;
      most = score;
    }
    return best;
  }

  /** Draws nodes until `sample` of them can hold the pod; -1 when too few of the draws can. */
  #chooseAmong(pod: GpuPod, kind: KindScores, sample: number): number {
    const isRandom = this.#policy.kind === 'random' || this.#policy.tie === 'random';
    let best = -1;
    let most = UNFIT;
    let fitting = 0;
    for (let draw = 0; fitting < sample && draw < MOST_DRAWS * sample; draw += 1) {
      const node = this.#random.integer(this.#nodes.length);
      if (kind.versions[node] !== this.#versions[node]) this.#score(pod, node, kind);
      const score = kind.scores[node] as number;
      if (score === UNFIT) continue;
      fitting += 1;
      // Drawn in random order, the first of equals is a random one.
      if (score > most || (score === most && !isRandom && node < best)) {
        best = node;
        most = score;
      }
    }
    return best;
  }

  #refresh(pod: GpuPod, kind: KindScores): void {
    if (kind.seen === -1) {
      for (let node = 0; node < this.#nodes.length; node += 1) this.#score(pod, node, kind);
    } else {
      for (let index = kind.seen; index < this.#changed.length; index += 1) {
        const node = this.#changed[index] as number;
        if (this.#lastChange[node] === index) this.#score(pod, node, kind);
      }
    }
    kind.seen = this.#changed.length;
  }

  #score(pod: GpuPod, index: number, kind: KindScores): void {
    const node = this.#nodes[index] as GpuNode;
    kind.versions[index] = this.#versions[index] as number;
    if (!fitsGpuNode(pod, node)) {
      kind.scores[index] = UNFIT;
      return;
    }
    this.#scorer(pod, node, this.#choice);
    kind.scores[index] = Math.max(0, this.#choice.score);
    kind.devices[index] = this.#choice.device;
  }

  #deviceOn(pod: GpuPod, node: GpuNode, device: number): number {
    if (pod.gpuCount !== 1 || (this.#policy.kind !== 'random' && this.#policy.kind !== 'first-fit')) return device;
    let chosen = -1;
    let fitting = 0;
    for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) {
      if ((node.gpuLeft[gpu] as number) < pod.gpuMilli) continue;
      fitting += 1;
      if (this.#random.integer(fitting) === 0) chosen = gpu;
    }
    return chosen;
  }
}
