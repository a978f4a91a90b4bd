import { PlatformError } from '#base/errors';
import { Heap } from '#base/heap';
import type { GpuPod } from '#policy/placement/gpu-node';
import { emptyGpuNode, fitsGpuNode, WHOLE_GPU } from '#policy/placement/gpu-node';
import { parseGpuPolicy } from '#policy/placement/gpu-policies';
import type { GpuCluster } from '#policy/placement/gpu-policy';
import type { Micros } from '#policy/queue/queue-policy';
import type { Placed } from './gpu-placer.ts';
import { GpuPlacer } from './gpu-placer.ts';
import { Histogram } from './histogram.ts';
import { UNIT } from './job-source.ts';
import { RandomStream } from './random-stream.ts';

/** A pod that comes, and leaves so long after it was placed. */
export interface PodLife {
  readonly pod: GpuPod;
  readonly at: Micros;
  readonly stay: Micros;
}

/** What pods saw under one placement policy; times in seconds, shares of time and GPUs in per cent. */
export interface PlacementResult {
  readonly policy: string;
  readonly seed: number;
  readonly pods: number;
  readonly placed: number;
  /** Pods that no node could hold even if it were empty. */
  readonly impossible: number;
  readonly waited: number;
  readonly mean_wait: number;
  readonly p99_wait: number;
  readonly max_wait: number;
  /** Over time, from the first arrival to the last. */
  readonly gpu_allocation_pct: number;
  /** Of the GPUs that are not allocated, what a typical pod could not use, over time. */
  readonly fragmentation_pct: number;
  readonly makespan: number;
}

interface Leaving {
  readonly at: Micros;
  readonly order: number;
  readonly pod: GpuPod;
  readonly place: Placed;
}

/**
 * Pods come, wait until a node can hold them, run and leave. At one instant those that leave come before those that arrive. Waiting ones are tried in
 * order of arrival: `skip` lets later ones that fit go first, `fifo` does not. Fragmentation is taken every `SAMPLES`th part of the time.
 */
export function simulatePlacement(
  cluster: GpuCluster,
  lives: readonly PodLife[],
  options: { readonly policy: string; readonly seed: number; readonly order: 'fifo' | 'skip' },
): PlacementResult {
  const policy = parseGpuPolicy(options.policy);
  const first = lives[0];
  if (first === undefined) throw new PlatformError('INVALID', 'Cannot place pods over time, because none of them says when it came and left');
  const placer = new GpuPlacer(cluster, policy, new RandomStream(options.seed, 'ties'));
  const capacity = Math.max(
    1,
    cluster.nodes.reduce((sum, node) => sum + node.gpuCount * WHOLE_GPU, 0),
  );
  const leaving = new Heap<Leaving>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));
  const possible = new Map<GpuPod, boolean>();
  const waits = new Histogram();
  const last = lives.at(-1)?.at ?? first.at;
  const step = Math.max(1, (last - first.at) / SAMPLES);
  let waiting: PodLife[] = [];
  let [now, allocated, area, order, impossible, waited, sum, most, fragments, samples] = [first.at, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const place = (life: PodLife): boolean => {
    const found = placer.place(life.pod);
    if (found === undefined) return false;
    order += 1;
    leaving.push({ at: now + life.stay, order, pod: life.pod, place: found });
    allocated += life.pod.gpuMilli * life.pod.gpuCount;
    const wait = now - life.at;
    waits.record(wait);
    sum += wait;
    most = Math.max(most, wait);
    if (wait > 0) waited += 1;
    return true;
  };
  const canEverFit = (pod: GpuPod): boolean => {
    const known = possible.get(pod) ?? cluster.nodes.some((node) => fitsGpuNode(pod, emptyGpuNode(node)));
    possible.set(pod, known);
    return known;
  };
  for (let next = 0; ; ) {
    const at = Math.min(lives[next]?.at ?? Number.POSITIVE_INFINITY, leaving.peek()?.at ?? Number.POSITIVE_INFINITY);
    if (at === Number.POSITIVE_INFINITY) break;
    area += allocated * Math.max(0, Math.min(at, last) - now);
    for (; samples < SAMPLES && first.at + samples * step < at; samples += 1) fragments += fragmentsOf(cluster, capacity - allocated);
    now = at;
    let isFreed = false;
    for (let one = leaving.peek(); one !== undefined && one.at === now; one = leaving.peek()) {
      leaving.pop();
      placer.remove(one.pod, one.place);
      allocated -= one.pod.gpuMilli * one.pod.gpuCount;
      isFreed = true;
    }
    if (isFreed) waiting = stillWaiting(waiting, { place, isStrict: options.order === 'fifo' });
    for (let life = lives[next]; life !== undefined && life.at === now; life = lives[next]) {
      next += 1;
      if (!canEverFit(life.pod)) impossible += 1;
      else if ((options.order === 'fifo' && waiting.length > 0) || !place(life)) waiting.push(life);
    }
  }
  const placed = waits.total;
  return {
    policy: policy.name,
    seed: options.seed,
    pods: lives.length,
    placed,
    impossible,
    waited,
    mean_wait: sum / Math.max(1, placed) / UNIT,
    p99_wait: waits.quantile(0.99) / UNIT,
    max_wait: most / UNIT,
    gpu_allocation_pct: (100 * area) / capacity / Math.max(1, last - first.at),
    fragmentation_pct: (100 * fragments) / Math.max(1, samples),
    makespan: (now - first.at) / UNIT,
  };
}

const SAMPLES = 200;

/** Those that could not be placed. A kind that found no node at this instant finds none for its next pod either. */
function stillWaiting(waiting: readonly PodLife[], { place, isStrict }: { readonly place: (life: PodLife) => boolean; readonly isStrict: boolean }): PodLife[] {
  const left: PodLife[] = [];
  const failed = new Set<GpuPod>();
  for (const life of waiting) {
    const isTried = !failed.has(life.pod) && !(isStrict && left.length > 0);
    if (isTried && place(life)) continue;
    failed.add(life.pod);
    left.push(life);
  }
  return left;
}

function fragmentsOf(cluster: GpuCluster, unused: number): number {
  if (unused <= 0) return 0;
  return cluster.nodes.reduce((sum, node) => sum + cluster.fragmentation.of(node, node.cpuLeft, node.gpuLeft), 0) / unused;
}
