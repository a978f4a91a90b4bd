import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Fragmentation } from '#policy/placement/fragmentation';
import type { GpuNode, GpuPod } from '#policy/placement/gpu-node';
import { emptyGpuNode, refusalOfGpuNode, releaseGpuPod, takeGpuPod } from '#policy/placement/gpu-node';
import { readCsv } from './csv.ts';
import { openbNodes, openbPods } from './import-openb.ts';
import { runOpenb } from './openb.ts';

function node(change: Partial<GpuNode> = {}): GpuNode {
  return { ...emptyGpuNode({ name: 'n', model: 'T4', gpuCount: 2, cpuMilli: 8_000, memoryMib: 1_000 }), ...change };
}
const pod: GpuPod = { cpuMilli: 2_000, memoryMib: 100, gpuMilli: 500, gpuCount: 1, models: [] };

test('fragmentation is what typical pods cannot use: all for one that does not fit, GPUs with too little for one that does', () => {
  const half = new Fragmentation([{ pod, frequency: 1 }]);
  assert.equal(half.of(node(), 8_000, Int32Array.from([1_000, 300])), 300);
  assert.equal(half.of(node(), 1_000, Int32Array.from([1_000, 300])), 1_300);
  const none = new Fragmentation([{ pod: { ...pod, gpuMilli: 0, gpuCount: 0 }, frequency: 1 }]);
  assert.equal(none.of(node(), 8_000, Int32Array.from([1_000, 300])), 1_300);
  const other = new Fragmentation([{ pod: { ...pod, models: ['A10'] }, frequency: 0.25 }]);
  assert.equal(other.of(node(), 8_000, Int32Array.from([1_000, 0])), 250);
});

test('a node says why it cannot hold a pod, taking one leaves the rest, and releasing it gives all back', () => {
  assert.equal(refusalOfGpuNode(pod, node()), undefined);
  assert.match(refusalOfGpuNode({ ...pod, models: ['A10'] }, node()) ?? '', /has T4, not A10/);
  assert.match(refusalOfGpuNode({ ...pod, cpuMilli: 9_000 }, node()) ?? '', /needs 9 cores, 8 free/);
  assert.match(refusalOfGpuNode({ ...pod, memoryMib: 2_000 }, node()) ?? '', /needs 2000 MiB, 1000 free/);
  assert.match(refusalOfGpuNode({ ...pod, gpuMilli: 1_000, gpuCount: 3 }, node()) ?? '', /needs 3 GPUs/);
  const used = node();
  const taken = takeGpuPod(pod, used, 1);
  assert.deepEqual([used.cpuLeft, used.memoryLeft, [...used.gpuLeft]], [6_000, 900, [1_000, 500]]);
  const both = { ...pod, gpuMilli: 500, gpuCount: 2 };
  const takenBoth = takeGpuPod(both, used, -1);
  assert.deepEqual([...used.gpuLeft], [500, 0]);
  releaseGpuPod(pod, used, taken);
  releaseGpuPod(both, used, takenBoth);
  assert.deepEqual(used, node());
});

test('rows of the lists that make no sense are left out with their line, a missing column is INVALID', () => {
  const nodes = openbNodes(
    readCsv('sn,cpu_milli,memory_mib,gpu,model,zone\nb,8000,10,1,T4,east\na,x,1,1,T4,east\na,4000,1,2,T4,west\nb,1,1,1,T4,west\n,1,1,1,T4,west'),
  );
  assert.deepEqual(
    [nodes.nodes.map((one) => [one.name, one.labels]), nodes.bad.map(({ line, reason }) => `${line} ${reason}`)],
    [
      [
        ['a', { model: 'T4', zone: 'west' }],
        ['b', { model: 'T4', zone: 'east' }],
      ],
      ['3 cpu_milli is "x", not a whole number of at least 0', '5 "b" is there twice', '6 has no name'],
    ],
  );
  const head = 'name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time,scheduled_time';
  const pods = openbPods(readCsv(`${head}\np,1,1,1,500,A10|T4,10,40,20\nq,1,1,0,,,\nr,1,1,1,,T4\ns,1,1,-1,500\nt,1,1,1,2000`));
  assert.deepEqual(
    pods.pods.map(({ models, gpuCount }) => [models, gpuCount]),
    [
      [['A10', 'T4'], 1],
      [[], 0],
    ],
  );
  assert.deepEqual(pods.lives, [{ at: 10_000_000, stay: 20_000_000 }, undefined]);
  assert.deepEqual(
    pods.bad.map(({ line }) => line),
    [4, 5, 6],
  );
  assert.throws(() => openbNodes(readCsv('sn,cpu_milli\na,1')), { code: 'INVALID', message: /column "memory_mib" is missing; there are sn, cpu_milli/ });
  assert.throws(() => openbPods(readCsv(`${head}\np,?,1,1,500`)), { code: 'INVALID', message: /none of 1 rows makes sense \(line 2 cpu_milli is "\?"/ });
});

const FOLDER = new URL('../../../shared/data/traces/openb/', import.meta.url);
const skip = existsSync(FOLDER) ? false : 'the folder with traces is absent';
const read = (name: string) => readCsv(readFileSync(new URL(name, FOLDER), 'utf8'));

test('random, best fit and FGD on openb are within half a point of the published means', { skip }, () => {
  const { nodes } = openbNodes(read('openb_node_list_gpu_node.csv'));
  const { pods } = openbPods(read('openb_pod_list_default.csv'));
  for (const [policy, published] of [
    ['random', 87.47],
    ['best-fit', 93.08],
    ['fgd', 95.39],
  ] as const) {
    const mean = runOpenb(nodes, pods, { policy, seed: 42 }).gpu_allocation_pct;
    assert.ok(Math.abs(mean - published) < 0.5, `${policy}: ${mean}`);
  }
});

test('moving pods within a budget makes GPUs usable again, and more moves never do less', { skip }, () => {
  const { nodes } = openbNodes(read('openb_node_list_gpu_node.csv'));
  const { pods } = openbPods(read('openb_pod_list_default.csv'));
  const few = nodes.slice(0, 60);
  const left = [0, 5, 20].map((moves) => {
    const { fragmentation_pct, moved } = runOpenb(few, pods, { policy: 'random', seed: 1, moves });
    assert.ok((moved?.moves ?? 99) <= moves);
    return [fragmentation_pct, moved?.fragmentation_pct ?? Number.NaN] as const;
  });
  const [none, some, more] = left as [readonly [number, number], readonly [number, number], readonly [number, number]];
  assert.ok(Math.abs(none[0] - none[1]) < 1e-9);
  assert.ok(some[1] < none[1] && more[1] <= some[1], JSON.stringify(left));
});
