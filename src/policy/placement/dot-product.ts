import { fullestGpu } from './gpu-device.ts';
import { gpuLeftOf } from './gpu-node.ts';
import type { GpuCluster, GpuScorer } from './gpu-policy.ts';

/** Dot product: the node whose free resources point the way the demand does, smallest product first (Grandl et al., Tetris, 2014). */
export function dotProduct(largest: GpuCluster['largest']): GpuScorer {
  return (pod, node, choice) => {
    const cpu = (node.cpuLeft / largest.cpuMilli) * (pod.cpuMilli / largest.cpuMilli);
    const gpu = (gpuLeftOf(node) / largest.gpuMilli) * ((pod.gpuMilli * pod.gpuCount) / largest.gpuMilli);
    choice.score = Math.trunc(100 * (1 - (cpu + gpu) / 2));
    choice.device = fullestGpu(pod, node);
  };
}
