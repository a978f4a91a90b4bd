import { PlatformError } from '#base/errors';
import type { TypicalPod } from '#policy/placement/fragmentation';
import { Fragmentation } from '#policy/placement/fragmentation';
import type { GpuNode, GpuPod } from '#policy/placement/gpu-node';
import { fitsGpuNode, takeGpuPod, WHOLE_GPU } from '#policy/placement/gpu-node';
import type { GpuChoice, GpuScorer } from '#policy/placement/gpu-scorers';
import { anyNode, bestFit, dotProduct, fragmentationGradient, gpuPacking, worstFit } from '#policy/placement/gpu-scorers';
import { choiceOption, integerOption, numberOption, orUnlimited, parsePolicyString, printPolicyString, readOptions } from '#policy/policy-string';
import type { CsvRow } from './csv.ts';
import { exp } from './elementary.ts';
import { RandomStream } from './random-stream.ts';

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

/** Nodes with GPUs of an openb node list, in order of name. INVALID names the line of a bad number. */
export function openbNodes(rows: readonly CsvRow[]): readonly GpuNode[] {
  const nodes = rows.map(({ line, cells }) => {
    const gpuCount = numberOf(cells, 'gpu', line);
    const cpuMilli = numberOf(cells, 'cpu_milli', line);
    return {
      name: cells['sn'] ?? '',
      model: cells['model'] ?? '',
      gpuCount,
      cpuMilli,
      cpuLeft: cpuMilli,
      memoryLeft: numberOf(cells, 'memory_mib', line),
      gpuLeft: new Int32Array(gpuCount).fill(WHOLE_GPU),
    };
  });
  return nodes.sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

/** Pods of an openb pod list, in the order of the file. Equal pods are one object. */
export function openbPods(rows: readonly CsvRow[]): readonly GpuPod[] {
  const kinds = new Map<string, GpuPod>();
  return rows.map(({ line, cells }) => {
    const gpuCount = numberOf(cells, 'num_gpu', line);
    const pod: GpuPod = {
      cpuMilli: numberOf(cells, 'cpu_milli', line),
      memoryMib: numberOf(cells, 'memory_mib', line),
      gpuMilli: gpuCount === 0 ? 0 : numberOf(cells, 'gpu_milli', line),
      gpuCount,
      models: (cells['gpu_spec'] ?? '').split('|').filter((model) => model !== ''),
    };
    const key = `${pod.cpuMilli} ${pod.memoryMib} ${pod.gpuMilli} ${pod.gpuCount} ${pod.models.join('|')}`;
    const known = kinds.get(key) ?? pod;
    kinds.set(key, known);
    return known;
  });
}

export interface OpenbResult {
  readonly policy: string;
  readonly seed: number;
  readonly pods: number;
  readonly placed: number;
  /** GPUs allocated, per cent of all, when this per cent of all GPUs had been asked for. */
  readonly gpu_allocation_pct: number;
  readonly arrived_gpu_pct: number;
  /** The share of unallocated GPUs that a typical pod could not use. */
  readonly fragmentation_pct: number;
  readonly curve: readonly (readonly [arrivedPct: number, allocatedPct: number])[];
}

/**
 * Places the trace's pods, and random ones drawn from it again until the demand for GPUs is `targetPct` of the cluster, in random order,
 * one by one; none ever leaves. Those that fit nowhere are passed over.
 */
export function runOpenb(
  nodes: readonly GpuNode[],
  trace: readonly GpuPod[],
  options: { readonly policy: string; readonly seed: number; readonly targetPct?: number },
): OpenbResult {
  const policy = parseGpuPolicy(options.policy);
  const cluster = nodes.map((node) => ({ ...node, gpuLeft: node.gpuLeft.slice() }));
  const capacity = cluster.reduce((sum, node) => sum + node.gpuCount * WHOLE_GPU, 0);
  const target = options.targetPct ?? 130;
  const pods = inflate(trace, (capacity * target) / 100, new RandomStream(options.seed, 'pods'));
  const typical = typicalPods(trace, policy.popular);
  const fragmentation = new Fragmentation(typical);
  const placer = new Placer(cluster, scorerOf(policy, fragmentation, cluster), policy, new RandomStream(options.seed, 'ties'));
  let arrived = 0;
  let allocated = 0;
  let placed = 0;
  const curve: (readonly [number, number])[] = [];
  for (const pod of pods) {
    const demand = pod.gpuMilli * pod.gpuCount;
    arrived += demand;
    if (placer.place(pod)) {
      placed += 1;
      allocated += demand;
    }
    const percent = (100 * arrived) / capacity;
    if (percent >= (curve.length + 1) * 5) curve.push([percent, (100 * allocated) / capacity]);
  }
  const fragments = cluster.reduce((sum, node) => sum + fragmentation.of(node, node.cpuLeft, node.gpuLeft), 0);
  return {
    policy: policy.name,
    seed: options.seed,
    pods: pods.length,
    placed,
    gpu_allocation_pct: (100 * allocated) / capacity,
    arrived_gpu_pct: (100 * arrived) / capacity,
    fragmentation_pct: (100 * fragments) / Math.max(1, capacity - allocated),
    curve,
  };
}

/**
 * The most popular kinds of pods that together make up at least `share` of all, with their frequencies among themselves. Memory does not
 * tell kinds apart: fragmentation is about GPUs and the cores to use them.
 */
function typicalPods(trace: readonly GpuPod[], share: number): readonly TypicalPod[] {
  const counts = new Map<string, { readonly pod: GpuPod; count: number }>();
  for (const pod of trace) {
    const key = `${pod.cpuMilli} ${pod.gpuMilli} ${pod.gpuCount} ${pod.models.join('|')}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { pod, count: 1 });
    else known.count += 1;
  }
  const popular = [...counts.values()].sort((a, b) => b.count - a.count);
  let total = 0;
  const kept = popular.filter(({ count }) => {
    const isNeeded = share >= 1 || total < share * trace.length;
    if (isNeeded) total += count;
    return isNeeded;
  });
  return kept.map(({ pod, count }) => ({ pod, frequency: count / total }));
}

function inflate(trace: readonly GpuPod[], target: number, random: RandomStream): readonly GpuPod[] {
  const pods = [...trace];
  let demand = trace.reduce((sum, pod) => sum + pod.gpuMilli * pod.gpuCount, 0);
  if (demand === 0) throw new PlatformError('INVALID', 'Cannot use the pods, because none of them asks for a GPU');
  while (demand < target) {
    const pod = trace[random.integer(trace.length)] as GpuPod;
    pods.push(pod);
    demand += pod.gpuMilli * pod.gpuCount;
  }
  for (let index = pods.length - 1; index > 0; index -= 1) {
    const other = random.integer(index + 1);
    [pods[index], pods[other]] = [pods[other] as GpuPod, pods[index] as GpuPod];
  }
  // The order of the trace counts up to the target; a trace that asks for more than that is cut.
  let seen = 0;
  const end = pods.findIndex((pod) => {
    seen += pod.gpuMilli * pod.gpuCount;
    return seen >= target;
  });
  return end === -1 ? pods : pods.slice(0, end + 1);
}

function scorerOf(policy: GpuPolicy, fragmentation: Fragmentation, cluster: readonly GpuNode[]): GpuScorer {
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
  /** How much of the log of changes it has seen. */
  seen: number;
}

const UNFIT = -1;

/** Places pods one by one. A placement changes one node, so the scores of each kind of pod are kept and only that node's are made again. */
class Placer {
  readonly #nodes: readonly GpuNode[];
  readonly #scorer: GpuScorer;
  readonly #policy: GpuPolicy;
  readonly #random: RandomStream;
  readonly #byKind = new Map<GpuPod, KindScores>();
  readonly #changed: number[] = [];
  /** Position in the log of a node's last change: earlier entries of it need not be looked at. */
  readonly #lastChange: Int32Array;
  readonly #choice: GpuChoice = { score: 0, device: -1 };
  readonly #candidates: number[] = [];

  constructor(nodes: readonly GpuNode[], scorer: GpuScorer, policy: GpuPolicy, random: RandomStream) {
    this.#nodes = nodes;
    this.#scorer = scorer;
    this.#policy = policy;
    this.#random = random;
    this.#lastChange = new Int32Array(nodes.length).fill(-1);
  }

  place(pod: GpuPod): boolean {
    const kind = this.#upToDate(pod);
    const chosen = this.#choose(kind.scores);
    if (chosen === -1) return false;
    const node = this.#nodes[chosen] as GpuNode;
    takeGpuPod(pod, node, this.#deviceOn(pod, node, kind.devices[chosen] as number));
    this.#lastChange[chosen] = this.#changed.length;
    this.#changed.push(chosen);
    return true;
  }

  #upToDate(pod: GpuPod): KindScores {
    let kind = this.#byKind.get(pod);
    if (kind === undefined) {
      kind = { scores: new Int16Array(this.#nodes.length), devices: new Int8Array(this.#nodes.length), seen: this.#changed.length };
      for (let node = 0; node < this.#nodes.length; node += 1) this.#score(pod, node, kind);
      this.#byKind.set(pod, kind);
      return kind;
    }
    for (let index = kind.seen; index < this.#changed.length; index += 1) {
      const node = this.#changed[index] as number;
      if (this.#lastChange[node] === index) this.#score(pod, node, kind);
    }
    kind.seen = this.#changed.length;
    return kind;
  }

  #score(pod: GpuPod, index: number, kind: KindScores): void {
    const node = this.#nodes[index] as GpuNode;
    if (!fitsGpuNode(pod, node)) {
      kind.scores[index] = UNFIT;
      return;
    }
    this.#scorer(pod, node, this.#choice);
    kind.scores[index] = Math.max(0, this.#choice.score);
    kind.devices[index] = this.#choice.device;
  }

  /** The best node by the policy's tie-break and sample; -1 when none fits. */
  #choose(scores: Int16Array): number {
    const { tie, sample, kind } = this.#policy;
    const isRandom = kind === 'random' || tie === 'random';
    if (!isRandom && sample === Number.POSITIVE_INFINITY) {
      let best = -1;
      let most = UNFIT;
      for (let node = 0; node < scores.length; node += 1) {
        if ((scores[node] as number) > most) {
          most = scores[node] as number;
          best = node;
        }
      }
      return best;
    }
    const candidates = this.#candidates;
    candidates.length = 0;
    for (let node = 0; node < scores.length; node += 1) if (scores[node] !== UNFIT) candidates.push(node);
    const looked = Math.min(sample, candidates.length);
    let best = -1;
    let ties = 0;
    for (let index = 0; index < looked; index += 1) {
      if (looked < candidates.length) {
        const other = index + this.#random.integer(candidates.length - index);
        [candidates[index], candidates[other]] = [candidates[other] as number, candidates[index] as number];
      }
      const node = candidates[index] as number;
      const difference = best === -1 ? 1 : (scores[node] as number) - (scores[best] as number);
      ties = difference > 0 ? 1 : difference === 0 ? ties + 1 : ties;
      if (difference > 0 || (difference === 0 && (isRandom ? this.#random.integer(ties) === 0 : node < best))) best = node;
    }
    return best;
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

function numberOf(cells: Readonly<Record<string, string>>, column: string, line: number): number {
  const value = Number(cells[column]);
  if (cells[column] === undefined || cells[column] === '' || !Number.isFinite(value) || value < 0) {
    throw new PlatformError('INVALID', `Cannot read line ${line}, because ${column} is "${cells[column] ?? ''}"`, { line, column });
  }
  return value;
}
