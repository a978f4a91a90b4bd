import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GpuNode, GpuPod } from '#policy/placement/gpu-node';
import { emptyGpuNode } from '#policy/placement/gpu-node';
import { GPU_POLICIES, parseGpuPolicy } from '#policy/placement/gpu-policies';
import { GpuPlacer } from './gpu-placer.ts';
import { clusterOf } from './openb.ts';
import { simulatePlacement } from './placement-simulator.ts';
import { RandomStream } from './random-stream.ts';

const HALF: GpuPod = { cpuMilli: 1_000, memoryMib: 1, gpuMilli: 500, gpuCount: 1, models: [] };
const WHOLE: GpuPod = { ...HALF, gpuMilli: 1_000 };
const SECOND = 1_000_000;

function nodes(count: number): readonly GpuNode[] {
  return Array.from({ length: count }, (_, index) =>
    emptyGpuNode({ name: `n${index}`, model: 'T4', gpuCount: 1, cpuMilli: 10_000, memoryMib: 100, labels: { zone: `z${index % 2}` } }),
  );
}

test('pods wait for room, leave when they are done, and overtake only where that is asked for', () => {
  const lives = [
    { pod: HALF, at: 0, stay: 10 * SECOND },
    { pod: WHOLE, at: SECOND, stay: 5 * SECOND },
    { pod: HALF, at: 2 * SECOND, stay: SECOND },
  ];
  const run = (order: 'fifo' | 'skip') => simulatePlacement(clusterOf(nodes(1), [HALF, WHOLE], 1), lives, { policy: 'best-fit', seed: 1, order });
  // The whole GPU is free at 10 s. The half pod at 2 s fits beside the first, but waits in line behind the whole one: until 15 s.
  const { mean_wait, max_wait, waited, makespan, placed } = run('skip');
  assert.deepEqual([mean_wait, max_wait, waited, makespan, placed], [3, 9, 1, 15, 3]);
  const strict = run('fifo');
  assert.deepEqual([strict.mean_wait, strict.max_wait, strict.waited, strict.makespan], [(9 + 13) / 3, 13, 2, 16]);
});

test('a pod that no node can ever hold is counted and does not block the line', () => {
  const lives = [
    { pod: { ...WHOLE, gpuCount: 2 }, at: 0, stay: SECOND },
    { pod: HALF, at: SECOND, stay: SECOND },
  ];
  const result = simulatePlacement(clusterOf(nodes(3), [HALF], 1), lives, { policy: 'fgd', seed: 1, order: 'fifo' });
  assert.deepEqual([result.impossible, result.placed, result.max_wait], [1, 1, 0]);
});

const somePod = fc
  .record({
    cpuMilli: fc.integer({ min: 0, max: 6_000 }),
    gpu: fc.constantFrom([0, 0], [250, 1], [500, 1], [1_000, 1], [1_000, 2]),
    app: fc.constantFrom('web', 'db'),
  })
  .map(({ cpuMilli, gpu, app }): GpuPod => ({ cpuMilli, memoryMib: 10, gpuMilli: gpu[0] as number, gpuCount: gpu[1] as number, models: [], app }));
const somePolicy = fc.constantFrom(...Object.keys(GPU_POLICIES));

test('whatever comes and goes under any policy, all that can fit is placed, and in the end everything is free', () => {
  const life = fc.record({ pod: somePod, at: fc.integer({ min: 0, max: 20 }), stay: fc.integer({ min: 1, max: 9 }) });
  fc.assert(
    fc.property(fc.array(life, { minLength: 1, maxLength: 25 }), somePolicy, fc.constantFrom('fifo', 'skip'), (list, policy, order) => {
      const own = nodes(4);
      const lives = list.toSorted((a, b) => a.at - b.at);
      const pods = lives.map((one) => one.pod);
      const result = simulatePlacement(clusterOf(own, pods, 1), lives, { policy, seed: 1, order });
      assert.equal(result.placed + result.impossible, lives.length);
      for (const one of own) assert.deepEqual([one.cpuLeft, one.memoryLeft, [...one.gpuLeft]], [10_000, 100, [1_000]]);
    }),
    { numRuns: 300 },
  );
});

test('no node ever holds more than it has, and kept scores choose as scoring everything anew does', () => {
  const step = fc.record({ pod: fc.nat({ max: 5 }), isRemoval: fc.boolean(), which: fc.nat({ max: 99 }) });
  fc.assert(
    fc.property(fc.array(somePod, { minLength: 6, maxLength: 6 }), fc.array(step, { maxLength: 40 }), somePolicy, (pods, steps, name) => {
      const own = nodes(5);
      const cluster = clusterOf(own, pods, 1);
      const policy = parseGpuPolicy(name);
      const placer = new GpuPlacer(cluster, policy, new RandomStream(1, 'ties'));
      const held: { readonly pod: GpuPod; readonly place: NonNullable<ReturnType<typeof placer.place>> }[] = [];
      for (const { pod: index, isRemoval, which } of steps) {
        const [gone] = isRemoval && held.length > 0 ? held.splice(which % held.length, 1) : [];
        if (gone !== undefined) placer.remove(gone.pod, gone.place);
        else {
          const pod = pods[index] as GpuPod;
          const fresh =
            isCounting(name) || policy.tie === 'random' || policy.sample < 5 ? undefined : new GpuPlacer(copyOf(cluster), policy, new RandomStream(2, 'ties'));
          const place = placer.place(pod);
          if (fresh !== undefined) assert.equal(place?.node, fresh.place(pod)?.node, name);
          if (place !== undefined) held.push({ pod, place });
        }
        for (const one of own) assert.ok(one.cpuLeft >= 0 && one.memoryLeft >= 0 && one.gpuLeft.every((left) => left >= 0 && left <= 1_000), name);
      }
    }),
    { numRuns: 400 },
  );
});

/** Policies that remember which pods came where. */
function isCounting(name: string): boolean {
  return /affinity|topology/.test(name);
}

function copyOf(cluster: ReturnType<typeof clusterOf>): ReturnType<typeof clusterOf> {
  return { ...cluster, nodes: cluster.nodes.map((one) => ({ ...one, gpuLeft: one.gpuLeft.slice() })) };
}

test('the placer says where a pod would go and by how much, or why nowhere', () => {
  const cluster = clusterOf(nodes(3), [HALF], 1);
  const placer = new GpuPlacer(cluster, parseGpuPolicy('best-fit'), new RandomStream(1, 'ties'));
  placer.place(HALF);
  assert.deepEqual(placer.explain(HALF), ['3 of 3 nodes can hold it; n0 scores 60 by best-fit, the next best n1 30']);
  assert.deepEqual(placer.explain(WHOLE), ['2 of 3 nodes can hold it; n1 scores 55 by best-fit', '2 nodes score the same: the lowest name is taken']);
  assert.deepEqual(placer.explain({ ...WHOLE, models: ['A10'] }), ['none of 3 nodes can hold it', '3 nodes: has T4, not A10']);
  const strict = new GpuPlacer(clusterOf(nodes(1), [HALF], 1), parseGpuPolicy('anti-affinity?mode=require'), new RandomStream(1, 'ties'));
  strict.place({ ...HALF, app: 'web' });
  assert.deepEqual(strict.explain({ ...HALF, app: 'web' }), ['none of 1 nodes can hold it', '1 node: node n0 has 1 of web already']);
});
