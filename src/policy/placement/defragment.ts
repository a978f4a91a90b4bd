import type { Fragmentation } from './fragmentation.ts';
import { firstGpu } from './gpu-device.ts';
import type { GpuNode, GpuPod } from './gpu-node.ts';
import { fitsGpuNode, releaseGpuPod, takeGpuPod } from './gpu-node.ts';

/** A pod that is on a node. */
export interface PlacedPod {
  readonly pod: GpuPod;
  /** Index of its node. */
  readonly node: number;
  /** The GPUs it holds, as bits. */
  readonly gpus: number;
}

/** One pod to be moved: which of the placed ones, and to which node and GPUs. */
export interface Move {
  readonly placed: number;
  readonly from: number;
  readonly to: number;
  readonly gpus: number;
  /** Thousandths of GPUs that become usable for a typical pod. */
  readonly gain: number;
}

export interface DefragmentLimits {
  /** The most pods to move. */
  readonly budget: number;
  /** Moves that gain less, in thousandths of a GPU, are not worth the interruption. */
  readonly least?: number;
  /** How many of the most fragmented nodes are emptied of a pod at each step. */
  readonly sources?: number;
}

const LEAST_GAIN = 1;
const SOURCES = 16;

/**
 * Moves that lower the expected fragmentation of a cluster most, one at a time, at most `budget`: every step takes, of the pods on the most fragmented
 * nodes, the one move to another node that gains most, and ends when none gains. No pod moves twice, so none is interrupted twice. The nodes
 * given are left as they were.
 */
export function planMoves(nodes: readonly GpuNode[], pods: readonly PlacedPod[], fragmentation: Fragmentation, limits: DefragmentLimits): readonly Move[] {
  const trial = nodes.map((node) => ({ ...node, gpuLeft: node.gpuLeft.slice() }));
  const onNode: number[][] = trial.map(() => []);
  for (const [index, placed] of pods.entries()) onNode[placed.node]?.push(index);
  const now = trial.map((node) => fragmentation.of(node, node.cpuLeft, node.gpuLeft));
  const moves: Move[] = [];
  while (moves.length < limits.budget) {
    const sources = [...now.keys()].sort((a, b) => (now[b] as number) - (now[a] as number) || a - b).slice(0, limits.sources ?? SOURCES);
    const best = bestMove({ trial, onNode, pods, now, fragmentation, sources });
    if (best === undefined || best.gain < (limits.least ?? LEAST_GAIN)) return moves;
    const { pod, gpus } = pods[best.placed] as PlacedPod;
    releaseGpuPod(pod, trial[best.from] as GpuNode, gpus);
    takeGpuPod(pod, trial[best.to] as GpuNode, deviceOf(best.gpus));
    for (const changed of [best.from, best.to]) {
      const node = trial[changed] as GpuNode;
      now[changed] = fragmentation.of(node, node.cpuLeft, node.gpuLeft);
    }
    onNode[best.from] = (onNode[best.from] as number[]).filter((index) => index !== best.placed);
    moves.push(best);
  }
  return moves;
}

interface Search {
  readonly trial: readonly GpuNode[];
  readonly onNode: readonly (readonly number[])[];
  readonly pods: readonly PlacedPod[];
  readonly now: readonly number[];
  readonly fragmentation: Fragmentation;
  readonly sources: readonly number[];
}

function bestMove({ trial, onNode, pods, now, fragmentation, sources }: Search): Move | undefined {
  let best: Move | undefined;
  for (const from of sources) {
    const source = trial[from] as GpuNode;
    const tried = new Set<GpuPod>();
    for (const placed of onNode[from] ?? []) {
      const { pod, gpus } = pods[placed] as PlacedPod;
      // Equal pods on equal GPUs are alike; the first of a kind stands for them.
      if (pod.gpuCount === 0 || tried.has(pod)) continue;
      tried.add(pod);
      releaseGpuPod(pod, source, gpus);
      const relieved = (now[from] as number) - fragmentation.of(source, source.cpuLeft, source.gpuLeft);
      for (const [to, target] of trial.entries()) {
        if (to === from || !fitsGpuNode(pod, target)) continue;
        for (const device of devicesOf(pod, target)) {
          const taken = takeGpuPod(pod, target, device);
          const gain = relieved + (now[to] as number) - fragmentation.of(target, target.cpuLeft, target.gpuLeft);
          releaseGpuPod(pod, target, taken);
          if (best === undefined || gain > best.gain) best = { placed, from, to, gpus: taken, gain };
        }
      }
      takeBack(pod, source, gpus);
    }
  }
  return best;
}

/** GPUs that a share may come from: of those with equally much left, the first. */
function devicesOf(pod: GpuPod, node: GpuNode): readonly number[] {
  if (pod.gpuCount !== 1) return [firstGpu(pod, node)];
  const devices: number[] = [];
  for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) {
    const left = node.gpuLeft[gpu] as number;
    if (left >= pod.gpuMilli && node.gpuLeft.indexOf(left) === gpu) devices.push(gpu);
  }
  return devices;
}

/** Takes exactly the GPUs that were released. */
function takeBack(pod: GpuPod, node: GpuNode, gpus: number): void {
  node.cpuLeft -= pod.cpuMilli;
  node.memoryLeft -= pod.memoryMib;
  for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) if ((gpus & (1 << gpu)) !== 0) node.gpuLeft[gpu] = (node.gpuLeft[gpu] as number) - pod.gpuMilli;
}

/** The lowest GPU of a set of bits; -1 for none. */
function deviceOf(gpus: number): number {
  return gpus === 0 ? -1 : 31 - Math.clz32(gpus & -gpus);
}
