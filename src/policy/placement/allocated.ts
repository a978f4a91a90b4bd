import { emptiestGpu, fullestGpu } from './gpu-device.ts';
import type { GpuScorer } from './gpu-policy.ts';
import { freeShares } from './gpu-shares.ts';

/** Kubernetes' LeastAllocated: the mean over resources of what is free afterwards, each in whole per cent (noderesources plugin, resource weights 1). */
export function leastAllocated(): GpuScorer {
  const free: number[] = [];
  return (pod, node, choice) => {
    freeShares(pod, node, free);
    let sum = 0;
    for (const share of free) sum += Math.trunc(100 * share + ROUNDING);
    choice.score = Math.trunc(sum / free.length);
    choice.device = emptiestGpu(pod, node);
  };
}

/** Kubernetes' MostAllocated: the same of what is used. */
export function mostAllocated(): GpuScorer {
  const free: number[] = [];
  return (pod, node, choice) => {
    freeShares(pod, node, free);
    let sum = 0;
    for (const share of free) sum += Math.trunc(100 * (1 - share) + ROUNDING);
    choice.score = Math.trunc(sum / free.length);
    choice.device = fullestGpu(pod, node);
  };
}

/** Kubernetes' NodeResourcesBalancedAllocation: 100 less the standard deviation of the used shares, so that no resource runs out alone. */
export function balancedAllocation(): GpuScorer {
  const free: number[] = [];
  return (pod, node, choice) => {
    freeShares(pod, node, free);
    let mean = 0;
    for (const share of free) mean += share / free.length;
    let variance = 0;
    for (const share of free) variance += (share - mean) ** 2 / free.length;
    choice.score = Math.trunc(100 * (1 - Math.sqrt(variance)) + ROUNDING);
    choice.device = fullestGpu(pod, node);
  };
}

/** A share such as 0.29 times 100 is 28.999…: what is whole but for the last bit counts as whole. */
const ROUNDING = 1e-9;
