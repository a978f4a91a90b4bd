import type { Fragmentation } from './fragmentation.ts';
import type { GpuNode, GpuPod } from './gpu-node.ts';
import { gpuLeftOf, WHOLE_GPU } from './gpu-node.ts';

/** How much a node is liked, and which GPU a share would come from. Filled in place: scoring allocates nothing. */
export interface GpuChoice {
  score: number;
  device: number;
}

/** Scores a node that fits; higher is better. The result depends only on the pod and on what is left of the node. */
export type GpuScorer = (pod: GpuPod, node: GpuNode, choice: GpuChoice) => void;

/** Largest machine of the cluster, to which demands are scaled. */
export interface LargestNode {
  readonly cpuMilli: number;
  readonly gpuMilli: number;
}

/** Fragmentation gradient descent: the node, and within it the GPU, whose fragmentation grows least (Weng et al. 2023). */
export function fragmentationGradient(fragmentation: Fragmentation, sigmoid: (value: number) => number): GpuScorer {
  const trial = new Map<number, Int32Array>();
  return (pod, node, choice) => {
    const now = fragmentation.of(node, node.cpuLeft, node.gpuLeft);
    let gpuLeft = trial.get(node.gpuLeft.length);
    if (gpuLeft === undefined) {
      gpuLeft = new Int32Array(node.gpuLeft.length);
      trial.set(node.gpuLeft.length, gpuLeft);
    }
    gpuLeft.set(node.gpuLeft);
    const cpuLeft = node.cpuLeft - pod.cpuMilli;
    const score = (): number => Math.trunc(100 * sigmoid((now - fragmentation.of(node, cpuLeft, gpuLeft)) / WHOLE_GPU));
    choice.device = -1;
    if (pod.gpuCount !== 1) {
      let left = pod.gpuCount;
      for (let gpu = 0; gpu < gpuLeft.length && left > 0; gpu += 1) {
        if ((gpuLeft[gpu] as number) < pod.gpuMilli) continue;
        gpuLeft[gpu] = (gpuLeft[gpu] as number) - pod.gpuMilli;
        left -= 1;
      }
      choice.score = score();
      return;
    }
    choice.score = -1;
    for (let gpu = 0; gpu < gpuLeft.length; gpu += 1) {
      const left = gpuLeft[gpu] as number;
      // GPUs with equally much left are alike: the first stands for them.
      if (left < pod.gpuMilli || node.gpuLeft.indexOf(left) < gpu) continue;
      gpuLeft[gpu] = left - pod.gpuMilli;
      const found = score();
      gpuLeft[gpu] = left;
      if (found > choice.score) {
        choice.score = found;
        choice.device = gpu;
      }
    }
  };
}

/** Best fit: the node with least left afterwards, cores and GPUs weighing the same; within it the fullest GPU that fits. */
export function bestFit(largest: LargestNode): GpuScorer {
  return (pod, node, choice) => {
    const cpu = (node.cpuLeft - pod.cpuMilli) / largest.cpuMilli;
    const gpu = (gpuLeftOf(node) - pod.gpuMilli * pod.gpuCount) / largest.gpuMilli;
    choice.score = Math.trunc(100 * (1 - (cpu + gpu) / 2));
    choice.device = fullestGpu(pod, node);
  };
}

/** Worst fit, or spread: the node with most left afterwards; within it the emptiest GPU. */
export function worstFit(largest: LargestNode): GpuScorer {
  return (pod, node, choice) => {
    const cpu = (node.cpuLeft - pod.cpuMilli) / largest.cpuMilli;
    const gpu = (gpuLeftOf(node) - pod.gpuMilli * pod.gpuCount) / largest.gpuMilli;
    choice.score = Math.trunc((100 * (cpu + gpu)) / 2);
    choice.device = emptiestGpu(pod, node);
  };
}

/** Dot product: the node whose free resources point the way the demand does, smallest product first (Grandl et al., Tetris, 2014). */
export function dotProduct(largest: LargestNode): GpuScorer {
  return (pod, node, choice) => {
    const cpu = (node.cpuLeft / largest.cpuMilli) * (pod.cpuMilli / largest.cpuMilli);
    const gpu = (gpuLeftOf(node) / largest.gpuMilli) * ((pod.gpuMilli * pod.gpuCount) / largest.gpuMilli);
    choice.score = Math.trunc(100 * (1 - (cpu + gpu) / 2));
    choice.device = fullestGpu(pod, node);
  };
}

/** GPUs that are partly used first, then nodes that are partly used, then the rest. */
export const gpuPacking: GpuScorer = (pod, node, choice) => {
  choice.device = fullestGpu(pod, node);
  let used = 0;
  for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) if (node.gpuLeft[gpu] !== WHOLE_GPU) used += 1;
  const isShared = choice.device !== -1 && node.gpuLeft[choice.device] !== WHOLE_GPU;
  if (isShared) choice.score = 100 - Math.trunc((33 * (node.gpuLeft[choice.device] as number)) / WHOLE_GPU);
  else if (used > 0) choice.score = 66 - (node.gpuLeft.length - used) * 4;
  else choice.score = 33 - node.gpuLeft.length * 4;
};

/** All nodes alike, and the first GPU that fits: the tie-break decides. */
export const anyNode: GpuScorer = (pod, node, choice) => {
  choice.score = 0;
  choice.device = node.gpuLeft.findIndex((left) => left >= pod.gpuMilli);
};

function fullestGpu(pod: GpuPod, node: GpuNode): number {
  if (pod.gpuCount !== 1) return -1;
  let best = -1;
  for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) {
    const left = node.gpuLeft[gpu] as number;
    if (left >= pod.gpuMilli && (best === -1 || left < (node.gpuLeft[best] as number))) best = gpu;
  }
  return best;
}

function emptiestGpu(pod: GpuPod, node: GpuNode): number {
  if (pod.gpuCount !== 1) return -1;
  let best = -1;
  for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) {
    const left = node.gpuLeft[gpu] as number;
    if (left >= pod.gpuMilli && (best === -1 || left > (node.gpuLeft[best] as number))) best = gpu;
  }
  return best;
}
