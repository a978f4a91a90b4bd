import type { GpuNode, GpuPod } from './gpu-node.ts';

/** The GPU with least left that fits the share; -1 when the pod takes whole GPUs or none. */
export function fullestGpu(pod: GpuPod, node: GpuNode): number {
  if (pod.gpuCount !== 1) return -1;
  let best = -1;
  for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) {
    const left = node.gpuLeft[gpu] as number;
    if (left >= pod.gpuMilli && (best === -1 || left < (node.gpuLeft[best] as number))) best = gpu;
  }
  return best;
}

/** The GPU with most left that fits the share; -1 when the pod takes whole GPUs or none. */
export function emptiestGpu(pod: GpuPod, node: GpuNode): number {
  if (pod.gpuCount !== 1) return -1;
  let best = -1;
  for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) {
    const left = node.gpuLeft[gpu] as number;
    if (left >= pod.gpuMilli && (best === -1 || left > (node.gpuLeft[best] as number))) best = gpu;
  }
  return best;
}

/** The first GPU that fits the share; -1 when the pod takes whole GPUs or none. */
export function firstGpu(pod: GpuPod, node: GpuNode): number {
  return pod.gpuCount === 1 ? node.gpuLeft.findIndex((left) => left >= pod.gpuMilli) : -1;
}
