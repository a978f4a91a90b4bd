import type { GpuNode, GpuPod } from '#policy/placement/gpu-node';
import { fitsGpuNode, refusalOfGpuNode, releaseGpuPod, takeGpuPod } from '#policy/placement/gpu-node';
import type { GpuPolicy } from '#policy/placement/gpu-policies';
import type { GpuChoice, GpuCluster, GpuPlacement } from '#policy/placement/gpu-policy';
import type { RandomStream } from './random-stream.ts';

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
const MOST_SCORE = 32_767;
const MOST_REASONS = 4;
/** Draws per wanted feasible node, after which all nodes are looked at. */
const MOST_DRAWS = 4;

/** Where a pod went: the index of its node, and its GPUs as bits. */
export interface Placed {
  readonly node: number;
  readonly gpus: number;
}

/**
 * Places pods one by one. A placement changes one node, so the scores of each kind of pod (each `GpuPod` object) are kept and only changed
 * nodes are scored again.
 */
export class GpuPlacer {
  readonly #nodes: readonly GpuNode[];
  readonly #placement: GpuPlacement;
  readonly #policy: GpuPolicy;
  readonly #isLocal: boolean;
  readonly #random: RandomStream;
  readonly #byKind = new Map<GpuPod, KindScores>();
  readonly #changed: number[] = [];
  /** Position in the log of a node's last change: earlier entries of it need not be looked at. */
  readonly #lastChange: Int32Array;
  readonly #versions: Int32Array;
  readonly #choice: GpuChoice = { score: 0, device: -1 };

  constructor(cluster: GpuCluster, policy: GpuPolicy, random: RandomStream) {
    const { nodes } = cluster;
    this.#nodes = nodes;
    this.#placement = policy.make(cluster);
    this.#isLocal = this.#placement.isLocal !== false;
    this.#policy = policy;
    this.#random = random;
    this.#lastChange = new Int32Array(nodes.length).fill(-1);
    this.#versions = new Int32Array(nodes.length);
  }

  /** Takes the best node's resources. Undefined when no node can hold the pod. */
  place(pod: GpuPod): Placed | undefined {
    const kind = this.#kindOf(pod);
    const chosen = this.#choose(pod, kind);
    if (chosen === -1) return undefined;
    const node = this.#nodes[chosen] as GpuNode;
    const gpus = takeGpuPod(pod, node, this.#deviceOn(pod, node, kind.devices[chosen] as number));
    this.#placement.on?.(1, pod, node);
    this.#changedNode(chosen);
    return { node: chosen, gpus };
  }

  /** Gives back what a pod took. */
  remove(pod: GpuPod, { node: index, gpus }: Placed): void {
    const node = this.#nodes[index] as GpuNode;
    releaseGpuPod(pod, node, gpus);
    this.#placement.on?.(-1, pod, node);
    this.#changedNode(index);
  }

  /** Sentences with numbers: where the pod would go and by how much, or why no node takes it, equal reasons together. */
  explain(pod: GpuPod): readonly string[] {
    const kind = this.#kindOf(pod);
    this.#refresh(pod, kind);
    const order = [...kind.scores.keys()]
      .filter((node) => kind.scores[node] !== UNFIT)
      .sort((a, b) => (kind.scores[b] as number) - (kind.scores[a] as number) || a - b);
    const [first] = order;
    if (first === undefined) {
      const nodesByReason = new Map<string, number>();
      for (const node of this.#nodes) {
        const reason = refusalOfGpuNode(pod, node) ?? this.#placement.refuse?.(pod, node) ?? 'is full';
        nodesByReason.set(reason, (nodesByReason.get(reason) ?? 0) + 1);
      }
      const reasons = [...nodesByReason].sort((a, b) => b[1] - a[1]);
      const shown = reasons.slice(0, MOST_REASONS).map(([reason, count]) => `${count} ${count === 1 ? 'node' : 'nodes'}: ${reason}`);
      const hidden = reasons.slice(MOST_REASONS).reduce((sum, [, count]) => sum + count, 0);
      return [`none of ${this.#nodes.length} nodes can hold it`, ...shown, ...(hidden > 0 ? [`${hidden} nodes: other reasons`] : [])];
    }
    const best = kind.scores[first] as number;
    const ties = order.filter((node) => kind.scores[node] === best).length;
    const next = order[ties];
    return [
      `${order.length} of ${this.#nodes.length} nodes can hold it; ${this.#nodes[first]?.name} scores ${best} by ${this.#policy.name}${next === undefined ? '' : `, the next best ${this.#nodes[next]?.name} ${kind.scores[next]}`}`,
      ...(ties > 1 ? [`${ties} nodes score the same: ${this.#policy.tie === 'id' ? 'the lowest name is taken' : 'one is drawn'}`] : []),
    ];
  }

  #kindOf(pod: GpuPod): KindScores {
    let kind = this.#byKind.get(pod);
    if (kind === undefined) {
      const count = this.#nodes.length;
      kind = { scores: new Int16Array(count), devices: new Int8Array(count), versions: new Int32Array(count).fill(-1), seen: -1 };
      this.#byKind.set(pod, kind);
    }
    return kind;
  }

  #changedNode(index: number): void {
    this.#versions[index] = (this.#versions[index] as number) + 1;
    this.#lastChange[index] = this.#changed.length;
    this.#changed.push(index);
  }

  /** The best node by the policy's tie-break and sample; -1 when none fits. */
  #choose(pod: GpuPod, kind: KindScores): number {
    const { sample } = this.#policy;
    if (sample < this.#nodes.length) {
      const drawn = this.#chooseAmong(pod, kind, sample);
      if (drawn !== -1) return drawn;
    }
    this.#refresh(pod, kind);
    const isRandom = this.#policy.tie === 'random';
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
    const isRandom = this.#policy.tie === 'random';
    let best = -1;
    let most = UNFIT;
    let fitting = 0;
    for (let draw = 0; fitting < sample && draw < MOST_DRAWS * sample; draw += 1) {
      const node = this.#random.integer(this.#nodes.length);
      if (!this.#isLocal || kind.versions[node] !== this.#versions[node]) this.#score(pod, node, kind);
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
    if (kind.seen === -1 || !this.#isLocal) {
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
    if (!fitsGpuNode(pod, node) || this.#placement.refuse?.(pod, node) !== undefined) {
      kind.scores[index] = UNFIT;
      return;
    }
    this.#placement.score(pod, node, this.#choice);
    kind.scores[index] = Math.min(MOST_SCORE, Math.max(0, this.#choice.score));
    kind.devices[index] = this.#choice.device;
  }

  #deviceOn(pod: GpuPod, node: GpuNode, device: number): number {
    if (pod.gpuCount !== 1 || this.#placement.isDeviceDrawn !== true) return device;
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
