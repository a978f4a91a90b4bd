import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exponentialFitScore, exponentialSpreadScore } from './best-fit.ts';
import { planMoves } from './defragment.ts';
import { Fragmentation } from './fragmentation.ts';
import type { GpuNode, GpuPod } from './gpu-node.ts';
import { emptyGpuNode, fitsGpuNode, takeGpuPod } from './gpu-node.ts';
import { GPU_POLICIES, parseGpuPolicy } from './gpu-policies.ts';
import type { GpuCluster, GpuPlacement } from './gpu-policy.ts';

const POD: GpuPod = { cpuMilli: 2_000, memoryMib: 1_000, gpuMilli: 0, gpuCount: 0, models: [] };
const SHARE: GpuPod = { ...POD, gpuMilli: 500, gpuCount: 1 };

function node(name: string, change: Partial<GpuNode> = {}): GpuNode {
  return { ...emptyGpuNode({ name, model: 'T4', gpuCount: 2, cpuMilli: 10_000, memoryMib: 10_000 }), ...change };
}

function clusterOf(nodes: readonly GpuNode[]): GpuCluster {
  const fragmentation = new Fragmentation([{ pod: SHARE, frequency: 1 }]);
  return { nodes, fragmentation, largest: { cpuMilli: 10_000, memoryMib: 10_000, gpuMilli: 2_000 } };
}

function scoresOf(text: string, nodes: readonly GpuNode[], pod = POD): readonly number[] {
  const placement = parseGpuPolicy(text).make(clusterOf(nodes));
  return nodes.map((one) => {
    const choice = { score: -1, device: -1 };
    placement.score(pod, one, choice);
    return choice.score;
  });
}

/** The best node that fits and is not refused; the lowest index of equals. Takes it. */
function place(placement: GpuPlacement, nodes: readonly GpuNode[], pod: GpuPod): string | undefined {
  const choice = { score: -1, device: -1 };
  let best: GpuNode | undefined;
  let [most, device] = [-1, -1];
  for (const one of nodes) {
    if (!fitsGpuNode(pod, one) || placement.refuse?.(pod, one) !== undefined) continue;
    placement.score(pod, one, choice);
    if (choice.score <= most) continue;
    [best, most, device] = [one, choice.score, choice.device];
  }
  if (best === undefined) return undefined;
  takeGpuPod(pod, best, device);
  placement.on?.(1, pod, best);
  return best.name;
}

test('every placement policy is made from its bare name and prints back the same with its options', () => {
  for (const name of Object.keys(GPU_POLICIES)) {
    const policy = parseGpuPolicy(name);
    assert.equal(policy.name, name);
    assert.ok(
      scoresOf(name, [node('a'), node('b')], SHARE).every((score) => score >= 0 && score <= 32_767),
      name,
    );
  }
  for (const text of [
    'best-fit?tie=id&sample=500',
    'best-fit?exponent=10',
    'fgd?tie=random&popular=0.95',
    'topology-spread?key=rack&skew=2',
    'power-of-k?choices=3',
  ]) {
    assert.equal(parseGpuPolicy(text).name, text);
    assert.equal(parseGpuPolicy(parseGpuPolicy(text).name).name, text);
  }
  const { tie, sample } = parseGpuPolicy('best-fit?tie=random&sample=500');
  assert.deepEqual([tie, sample, parseGpuPolicy('power-of-k?choices=3').sample, parseGpuPolicy('random').tie], ['random', 500, 3, 'random']);
});

test('an unknown placement policy, option or value is INVALID and says what there is', () => {
  assert.throws(() => parseGpuPolicy('best'), { code: 'INVALID', message: /no placement policy "best"; there are first-fit, random, best-fit/ });
  assert.throws(() => parseGpuPolicy('fgd?tie=name'), { code: 'INVALID', message: /one of id, random/ });
  assert.throws(() => parseGpuPolicy('best-fit?popular=0.9'), { code: 'INVALID', message: /no option "popular"; it knows tie, sample, exponent/ });
  assert.throws(() => parseGpuPolicy('best-fit?sample=0'), { code: 'INVALID', message: /a whole number of at least 1, or all/ });
  assert.throws(() => parseGpuPolicy('topology-spread?skew=0.5'), { code: 'INVALID' });
});

test('the scores of Nomad and Kubernetes are theirs', () => {
  assert.deepEqual([exponentialFitScore([0, 0]), exponentialFitScore([1, 1])], [18, 0]);
  assert.ok(Math.abs(exponentialFitScore([0.5, 0.5]) - 13.675) < 0.001 && Math.abs(exponentialSpreadScore([0.5, 0.5]) - 4.325) < 0.001);
  // 2 of 10 cores and 1 of 10 GB: 20 % and 10 % of an empty node, 70 % and 10 % of one with 5 cores used.
  const nodes = [node('a'), node('b', { cpuLeft: 5_000 })];
  assert.deepEqual(scoresOf('least-allocated', nodes), [85, 60]);
  assert.deepEqual(scoresOf('most-allocated', nodes), [15, 40]);
  assert.deepEqual(scoresOf('balanced-allocation', nodes), [95, 70]);
  // 20 - (10^0.8 + 10^0.9), and 20 - (10^0.3 + 10^0.9), in thousandths.
  assert.deepEqual(scoresOf('best-fit?exponent=10', nodes), [5_747, 10_061]);
});

test('best fit takes the fuller node, worst fit and power of k the emptier, DRF-aware the one with the same proportions', () => {
  const nodes = [node('a'), node('b', { cpuLeft: 4_000 })];
  const first = ([a, b]: readonly number[]): string => ((a as number) >= (b as number) ? 'a' : 'b');
  for (const policy of ['best-fit', 'best-fit?exponent=10', 'most-allocated', 'dot-product']) assert.equal(first(scoresOf(policy, nodes)), 'b', policy);
  for (const policy of ['worst-fit', 'spread', 'least-allocated', 'power-of-k']) assert.equal(first(scoresOf(policy, nodes)), 'a', policy);
  // The pod wants two parts of cores to one of memory: so has b, but not a.
  const skewed = [node('a', { memoryLeft: 9_000 }), node('b', { cpuLeft: 8_000, memoryLeft: 4_000, gpuLeft: Int32Array.from([0, 0]) })];
  assert.equal(first(scoresOf('drf-aware', skewed)), 'b');
});

test('affinity keeps an app together, anti-affinity apart, and a strict one refuses with a reason', () => {
  const web = { ...POD, app: 'web' };
  const three = (): GpuNode[] => ['a', 'b', 'c'].map((name, index) => node(name, { labels: { zone: index === 0 ? 'east' : 'west' } }));
  const run = (text: string, count = 4): readonly (string | undefined)[] => {
    const nodes = three();
    const placement = parseGpuPolicy(text).make(clusterOf(nodes));
    return Array.from({ length: count }, () => place(placement, nodes, web));
  };
  assert.deepEqual(run('affinity'), ['a', 'a', 'a', 'a']);
  assert.deepEqual(run('anti-affinity'), ['a', 'b', 'c', 'a']);
  assert.deepEqual(run('anti-affinity?mode=require'), ['a', 'b', 'c', undefined]);
  assert.deepEqual(run('anti-affinity?key=zone&mode=require'), ['a', 'b', undefined, undefined]);
  assert.deepEqual(run('affinity?key=zone', 6), ['a', 'a', 'a', 'a', 'a', 'b']);
  const nodes = three();
  const strict = parseGpuPolicy('anti-affinity?mode=require').make(clusterOf(nodes));
  place(strict, nodes, web);
  assert.equal(strict.refuse?.(web, nodes[0] as GpuNode), 'node a has 1 of web already');
  strict.on?.(-1, web, nodes[0] as GpuNode);
  assert.equal(strict.refuse?.(web, nodes[0] as GpuNode), undefined);
});

test('topology spread never lets zones differ by more than the skew, even when one is full', () => {
  for (const skew of [1, 2]) {
    const nodes = [
      node('a', { labels: { zone: 'east' }, cpuLeft: 4_000 }),
      node('b', { labels: { zone: 'west' } }),
      node('c', { labels: { zone: 'west' } }),
      node('d', { labels: {} }),
    ];
    const placement = parseGpuPolicy(`topology-spread?skew=${skew}`).make(clusterOf(nodes));
    const placed = Array.from({ length: 10 }, () => place(placement, nodes, { ...POD, app: 'web' }));
    const east = placed.filter((name) => name === 'a').length;
    const west = placed.filter((name) => name === 'b' || name === 'c').length;
    // East holds two; then west may have that many more, and the rest waits.
    assert.deepEqual([east, west, placed.includes('d')], [2, 2 + skew, false]);
    assert.match(placement.refuse?.({ ...POD, app: 'web' }, nodes[1] as GpuNode) ?? '', new RegExp(`one more would exceed a skew of ${skew}`));
  }
});

test('the defragmenter moves the pod that frees most, none twice, and stops at its budget or when nothing gains', () => {
  // A whole GPU is what everybody wants; two halves on different GPUs make two of them useless.
  const whole = new Fragmentation([{ pod: { ...SHARE, gpuMilli: 1_000 }, frequency: 1 }]);
  const nodes = ['a', 'b', 'c', 'd'].map((name) => emptyGpuNode({ name, model: 'T4', gpuCount: 1, cpuMilli: 10_000, memoryMib: 10_000 }));
  const pods = nodes.map((one, index) => ({ pod: SHARE, node: index, gpus: takeGpuPod(SHARE, one, 0) }));
  const before = nodes.map((one) => [...one.gpuLeft]);
  const moves = planMoves(nodes, pods, whole, { budget: 10 });
  assert.deepEqual(
    moves.map(({ from, to, gain }) => [from, to, gain]),
    [
      [0, 1, 1_000],
      [2, 3, 1_000],
    ],
  );
  assert.equal(new Set(moves.map((move) => move.placed)).size, 2);
  assert.deepEqual(planMoves(nodes, pods, whole, { budget: 1 }).length, 1);
  assert.deepEqual(planMoves(nodes, pods, whole, { budget: 0 }), []);
  assert.deepEqual(planMoves(nodes, pods, whole, { budget: 10, least: 1_001 }), []);
  assert.deepEqual(
    nodes.map((one) => [...one.gpuLeft]),
    before,
  );
});
