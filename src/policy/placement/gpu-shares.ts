import type { GpuNode, GpuPod } from './gpu-node.ts';
import { gpuLeftOf, WHOLE_GPU } from './gpu-node.ts';

/** The free shares of a node's cores, memory and, for a pod that asks for them, GPUs once the pod is there, 0 … 1, into `shares`. */
export function freeShares(pod: GpuPod, node: GpuNode, shares: number[]): void {
  shares.length = 0;
  shares.push(share(node.cpuLeft - pod.cpuMilli, node.cpuMilli), share(node.memoryLeft - pod.memoryMib, node.memoryMib));
  if (pod.gpuCount > 0) shares.push(share(gpuLeftOf(node) - pod.gpuMilli * pod.gpuCount, node.gpuCount * WHOLE_GPU));
}

function share(left: number, whole: number): number {
  return whole <= 0 ? 0 : Math.min(1, Math.max(0, left / whole));
}
