import { power } from '#base/elementary';
import { fullestGpu } from './gpu-device.ts';
import { gpuLeftOf } from './gpu-node.ts';
import type { GpuCluster, GpuScorer } from './gpu-policy.ts';
import { freeShares } from './gpu-shares.ts';

/** Best fit: the node with least left afterwards, cores and GPUs weighing the same; within it the fullest GPU that fits. */
export function bestFit(largest: GpuCluster['largest']): GpuScorer {
  return (pod, node, choice) => {
    const cpu = (node.cpuLeft - pod.cpuMilli) / largest.cpuMilli;
    const gpu = (gpuLeftOf(node) - pod.gpuMilli * pod.gpuCount) / largest.gpuMilli;
    choice.score = Math.trunc(100 * (1 - (cpu + gpu) / 2));
    choice.device = fullestGpu(pod, node);
  };
}

/**
 * Nomad's best fit, for n resources: 10 n - Σ 10^(free share of each after placement), within 0 … 9 n, with 10 as the base unless told. A node whose
 * resources run out together scores higher than one with the same sum that leaves one of them stranded.
 */
export function exponentialFit(base: number): GpuScorer {
  const free: number[] = [];
  return (pod, node, choice) => {
    freeShares(pod, node, free);
    choice.score = Math.trunc(SCALE * exponentialFitScore(free, base));
    choice.device = fullestGpu(pod, node);
  };
}

/** Scores are kept as whole numbers: so many of them make one. */
const SCALE = 1_000;

/** Nomad's score of a node by the free share of each of its resources; 0 … 18 for two resources and base 10. */
export function exponentialFitScore(free: readonly number[], base = 10): number {
  let score = 0;
  for (const share of free) score += base - power(base, share);
  return Math.max(0, score);
}

/** Its mirror, Nomad's spread: emptier is better. */
export function exponentialSpreadScore(free: readonly number[], base = 10): number {
  let score = 0;
  for (const share of free) score += power(base, share) - 1;
  return Math.max(0, score);
}
