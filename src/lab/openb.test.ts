import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Fragmentation } from '#policy/placement/fragmentation';
import type { GpuNode, GpuPod } from '#policy/placement/gpu-node';
import { refusalOfGpuNode, takeGpuPod } from '#policy/placement/gpu-node';
import { readCsv } from './csv.ts';
import { parseGpuPolicy } from './gpu-placer.ts';
import { openbNodes, openbPods, runOpenb } from './openb.ts';

function node(change: Partial<GpuNode> = {}): GpuNode {
  return { name: 'n', model: 'T4', gpuCount: 2, cpuMilli: 8_000, cpuLeft: 8_000, memoryLeft: 1_000, gpuLeft: Int32Array.from([1_000, 1_000]), ...change };
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

test('a node says why it cannot hold a pod, and taking one leaves the rest', () => {
  assert.equal(refusalOfGpuNode(pod, node()), undefined);
  assert.match(refusalOfGpuNode({ ...pod, models: ['A10'] }, node()) ?? '', /has T4, not A10/);
  assert.match(refusalOfGpuNode({ ...pod, cpuMilli: 9_000 }, node()) ?? '', /needs 9 cores, 8 free/);
  assert.match(refusalOfGpuNode({ ...pod, memoryMib: 2_000 }, node()) ?? '', /needs 2000 MiB, 1000 free/);
  assert.match(refusalOfGpuNode({ ...pod, gpuMilli: 1_000, gpuCount: 3 }, node()) ?? '', /needs 3 GPUs/);
  const used = node();
  takeGpuPod(pod, used, 1);
  assert.deepEqual([used.cpuLeft, used.memoryLeft, [...used.gpuLeft]], [6_000, 900, [1_000, 500]]);
});

test('placement strings are checked, and so are the numbers of the lists', () => {
  assert.deepEqual(parseGpuPolicy('best-fit?tie=random&sample=500'), {
    name: 'best-fit?tie=random&sample=500',
    kind: 'best-fit',
    tie: 'random',
    sample: 500,
    popular: 1,
  });
  assert.throws(() => parseGpuPolicy('best'), { code: 'INVALID', message: /there are fgd, best-fit/ });
  assert.throws(() => parseGpuPolicy('fgd?tie=name'), { code: 'INVALID', message: /one of id, random/ });
  assert.throws(() => openbNodes(readCsv('sn,cpu_milli,memory_mib,gpu,model\na,x,1,1,T4')), { code: 'INVALID', message: /line 2, because cpu_milli is "x"/ });
});

const FOLDER = new URL('../../../shared/data/traces/openb/', import.meta.url);
const skip = existsSync(FOLDER) ? false : 'the folder with traces is absent';
const read = (name: string) => readCsv(readFileSync(new URL(name, FOLDER), 'utf8'));

test('random, best fit and FGD on openb are within half a point of the published means', { skip }, () => {
  const nodes = openbNodes(read('openb_node_list_gpu_node.csv'));
  const pods = openbPods(read('openb_pod_list_default.csv'));
  for (const [policy, published] of [
    ['random', 87.47],
    ['best-fit', 93.08],
    ['fgd', 95.39],
  ] as const) {
    const mean = runOpenb(nodes, pods, { policy, seed: 42 }).gpu_allocation_pct;
    assert.ok(Math.abs(mean - published) < 0.5, `${policy}: ${mean}`);
  }
});
