import { PlatformError } from '#base/errors';
import type { PlacedPod } from '#policy/placement/defragment';
import { planMoves } from '#policy/placement/defragment';
import type { TypicalPod } from '#policy/placement/fragmentation';
import { Fragmentation } from '#policy/placement/fragmentation';
import type { GpuNode, GpuPod } from '#policy/placement/gpu-node';
import { WHOLE_GPU } from '#policy/placement/gpu-node';
import { parseGpuPolicy } from '#policy/placement/gpu-policies';
import type { GpuCluster } from '#policy/placement/gpu-policy';
import { GpuPlacer } from './gpu-placer.ts';
import { RandomStream } from './random-stream.ts';

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
  /** What moving pods would change, if that was asked for. */
  readonly moved?: { readonly moves: number; readonly fragmentation_pct: number };
}

/** What policies may know of a cluster and of the pods that come to it. */
export function clusterOf(nodes: readonly GpuNode[], trace: readonly GpuPod[], popular: number): GpuCluster {
  const most = (values: readonly number[]): number => values.reduce((largest, value) => Math.max(largest, value), 1);
  return {
    nodes,
    fragmentation: new Fragmentation(typicalPods(trace, popular)),
    largest: {
      cpuMilli: most(nodes.map((node) => node.cpuMilli)),
      memoryMib: most(nodes.map((node) => node.memoryMib)),
      gpuMilli: most(nodes.map((node) => node.gpuCount * WHOLE_GPU)),
    },
  };
}

/**
 * Places the trace's pods, and random ones drawn from it again until the demand for GPUs is `targetPct` of the cluster, in random order,
 * one by one; none ever leaves. Those that fit nowhere are passed over.
 */
export function runOpenb(
  nodes: readonly GpuNode[],
  trace: readonly GpuPod[],
  options: { readonly policy: string; readonly seed: number; readonly targetPct?: number; readonly moves?: number },
): OpenbResult {
  const policy = parseGpuPolicy(options.policy);
  const own = nodes.map((node) => ({ ...node, gpuLeft: node.gpuLeft.slice() }));
  const capacity = own.reduce((sum, node) => sum + node.gpuCount * WHOLE_GPU, 0);
  if (capacity === 0) throw new PlatformError('INVALID', 'Cannot use the nodes, because none of them has a GPU');
  const target = options.targetPct ?? 130;
  const pods = inflate(trace, (capacity * target) / 100, new RandomStream(options.seed, 'pods'));
  const cluster = clusterOf(own, trace, policy.popular);
  const { fragmentation } = cluster;
  const placer = new GpuPlacer(cluster, policy, new RandomStream(options.seed, 'ties'));
  const placed: PlacedPod[] = [];
  let arrived = 0;
  let allocated = 0;
  const curve: (readonly [number, number])[] = [];
  for (const pod of pods) {
    const demand = pod.gpuMilli * pod.gpuCount;
    arrived += demand;
    const place = placer.place(pod);
    if (place !== undefined) {
      placed.push({ pod, ...place });
      allocated += demand;
    }
    const percent = (100 * arrived) / capacity;
    if (percent >= (curve.length + 1) * 5) curve.push([percent, (100 * allocated) / capacity]);
  }
  const unused = Math.max(1, capacity - allocated);
  const fragments = own.reduce((sum, node) => sum + fragmentation.of(node, node.cpuLeft, node.gpuLeft), 0);
  const moves = options.moves === undefined ? undefined : planMoves(own, placed, fragmentation, { budget: options.moves });
  return {
    policy: policy.name,
    seed: options.seed,
    pods: pods.length,
    placed: placed.length,
    gpu_allocation_pct: (100 * allocated) / capacity,
    arrived_gpu_pct: (100 * arrived) / capacity,
    fragmentation_pct: (100 * fragments) / unused,
    curve,
    ...(moves === undefined
      ? {}
      : { moved: { moves: moves.length, fragmentation_pct: (100 * moves.reduce((left, move) => left - move.gain, fragments)) / unused } }),
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
