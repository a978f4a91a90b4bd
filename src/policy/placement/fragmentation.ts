import type { GpuNode, GpuPod } from './gpu-node.ts';

/** One kind of pod the cluster expects, and how often. */
export interface TypicalPod {
  readonly pod: GpuPod;
  readonly frequency: number;
}

/** Pods that differ only in their cores: for each number of free cores, the frequency of those that have enough. */
interface DemandClass {
  readonly gpuMilli: number;
  readonly gpuCount: number;
  readonly models: readonly string[];
  readonly enough: Float64Array;
  readonly frequency: number;
}

/**
 * Expected fragmentation: the thousandths of a node's free GPUs that a pod drawn from the typical ones could not use (Weng et al., Beware
 * of Fragmentation, USENIX ATC 2023, section 3). A pod that does not fit, or needs no GPU, can use none of them; one that fits
 * cannot use GPUs with less left than it needs of each.
 */
export class Fragmentation {
  readonly #classes: readonly DemandClass[];
  /** Distinct demands for cores, sorted. */
  readonly #cores: Float64Array;
  #withoutGpu = 0;

  constructor(typical: readonly TypicalPod[]) {
    this.#cores = Float64Array.from([...new Set(typical.map(({ pod }) => pod.cpuMilli))].sort((a, b) => a - b));
    const byClass = new Map<string, TypicalPod[]>();
    for (const one of typical) {
      if (one.pod.gpuCount === 0) {
        this.#withoutGpu += one.frequency;
        continue;
      }
      const key = `${one.pod.gpuMilli}x${one.pod.gpuCount}@${one.pod.models.join('|')}`;
      byClass.set(key, [...(byClass.get(key) ?? []), one]);
    }
    this.#classes = [...byClass.values()].map((members) => {
      const first = (members[0] as TypicalPod).pod;
      const enough = new Float64Array(this.#cores.length + 1);
      for (let rank = 0; rank <= this.#cores.length; rank += 1) {
        for (const { pod, frequency } of members)
          if (rank > 0 && pod.cpuMilli <= (this.#cores[rank - 1] as number)) enough[rank] = (enough[rank] as number) + frequency;
      }
      const frequency = members.reduce((sum, member) => sum + member.frequency, 0);
      return { gpuMilli: first.gpuMilli, gpuCount: first.gpuCount, models: first.models, enough, frequency };
    });
  }

  /** The fragmentation of a node with this much left. */
  of(node: GpuNode, cpuLeft: number, gpuLeft: Int32Array): number {
    let total = 0;
    for (let gpu = 0; gpu < gpuLeft.length; gpu += 1) total += gpuLeft[gpu] as number;
    if (total === 0) return 0;
    const rank = this.#rankOf(cpuLeft);
    let sum = this.#withoutGpu * total;
    for (const one of this.#classes) {
      if (one.models.length > 0 && !one.models.includes(node.model)) {
        sum += one.frequency * total;
        continue;
      }
      let fitting = 0;
      let useless = 0;
      for (let gpu = 0; gpu < gpuLeft.length; gpu += 1) {
        const left = gpuLeft[gpu] as number;
        if (left >= one.gpuMilli) fitting += 1;
        else useless += left;
      }
      const enough = fitting >= one.gpuCount ? (one.enough[rank] as number) : 0;
      sum += enough * useless + (one.frequency - enough) * total;
    }
    return sum;
  }

  /** How many of the distinct demands for cores the free cores cover. */
  #rankOf(cpuLeft: number): number {
    const cores = this.#cores;
    let low = 0;
    let high = cores.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cores[middle] as number) <= cpuLeft) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
