import { emptiestGpu } from './gpu-device.ts';
import { gpuLeftOf } from './gpu-node.ts';
import type { GpuCluster, GpuScorer } from './gpu-policy.ts';

/** Worst fit, or spread: the node with most left afterwards; within it the emptiest GPU. */
export function worstFit(largest: GpuCluster['largest']): GpuScorer {
  return (pod, node, choice) => {
    const cpu = (node.cpuLeft - pod.cpuMilli) / largest.cpuMilli;
    const gpu = (gpuLeftOf(node) - pod.gpuMilli * pod.gpuCount) / largest.gpuMilli;
    choice.score = Math.trunc((100 * (cpu + gpu)) / 2);
    choice.device = emptiestGpu(pod, node);
  };
}
