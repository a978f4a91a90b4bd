import { fullestGpu } from './gpu-device.ts';
import { WHOLE_GPU } from './gpu-node.ts';
import type { GpuScorer } from './gpu-policy.ts';

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
