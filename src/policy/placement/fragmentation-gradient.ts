import { exp } from '#base/elementary';
import type { Fragmentation } from './fragmentation.ts';
import { WHOLE_GPU } from './gpu-node.ts';
import type { GpuScorer } from './gpu-policy.ts';

/** Fragmentation gradient descent: the node, and within it the GPU, whose fragmentation grows least (Weng et al. 2023). */
export function fragmentationGradient(fragmentation: Fragmentation): GpuScorer {
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

function sigmoid(value: number): number {
  return 1 / (1 + exp(-value));
}
