import { PlatformError } from '#base/errors';
import type { TypicalPod } from '#policy/placement/fragmentation';
import { Fragmentation } from '#policy/placement/fragmentation';
import type { GpuNode, GpuPod } from '#policy/placement/gpu-node';
import { WHOLE_GPU } from '#policy/placement/gpu-node';
import type { CsvRow } from './csv.ts';
import { GpuPlacer, parseGpuPolicy, scorerOf } from './gpu-placer.ts';
import { RandomStream } from './random-stream.ts';

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
  const placer = new GpuPlacer(cluster, scorerOf(policy, fragmentation, cluster), policy, new RandomStream(options.seed, 'ties'));
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

function numberOf(cells: Readonly<Record<string, string>>, column: string, line: number): number {
  const value = Number(cells[column]);
  if (cells[column] === undefined || cells[column] === '' || !Number.isFinite(value) || value < 0) {
    throw new PlatformError('INVALID', `Cannot read line ${line}, because ${column} is "${cells[column] ?? ''}"`, { line, column });
  }
  return value;
}
