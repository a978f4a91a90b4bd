import { fullestGpu } from './gpu-device.ts';
import type { GpuNode, GpuPod } from './gpu-node.ts';
import { gpuLeftOf } from './gpu-node.ts';
import type { GpuCluster, GpuScorer } from './gpu-policy.ts';

/**
 * The node whose free resources stand in the proportions of the demand, both relative to the demand's dominant resource (best-fit DRFH: Wang, Li and
 * Liang, Dominant resource fairness in cloud computing systems with heterogeneous servers, INFOCOM 2014). Which tenant is next is the queue's `drf`.
 */
export function dominantFit(largest: GpuCluster['largest']): GpuScorer {
  return (pod, node, choice) => {
    choice.score = Math.trunc(MOST / (1 + mismatch(pod, node, largest)));
    choice.device = fullestGpu(pod, node);
  };
}

const MOST = 10_000;

function mismatch(pod: GpuPod, node: GpuNode, largest: GpuCluster['largest']): number {
  const cpu = pod.cpuMilli / largest.cpuMilli;
  const memory = pod.memoryMib / largest.memoryMib;
  const gpu = (pod.gpuMilli * pod.gpuCount) / largest.gpuMilli;
  const cpuFree = node.cpuLeft / largest.cpuMilli;
  const memoryFree = node.memoryLeft / largest.memoryMib;
  const gpuFree = gpuLeftOf(node) / largest.gpuMilli;
  const dominant = Math.max(cpu, memory, gpu);
  if (dominant === 0) return 0;
  const free = dominant === gpu ? gpuFree : dominant === cpu ? cpuFree : memoryFree;
  if (free <= 0) return MOST;
  return Math.abs(cpu / dominant - cpuFree / free) + Math.abs(memory / dominant - memoryFree / free) + Math.abs(gpu / dominant - gpuFree / free);
}
