import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Name } from '#base/name';
import { usedResources } from './feasible.ts';
import { explainRefusal, place } from './place.ts';
import type { PlacementNode, PlacementRequest } from './request.ts';

const MIB = 2 ** 20;
const name = (text: string): Name => text as Name;

function node(text: string, changes: Partial<PlacementNode> = {}): PlacementNode {
  return { name: name(text), pool: name('worker'), condition: 'ready', labels: {}, capacity: { cpu: 2, memoryBytes: 1024 * MIB }, assigned: [], ...changes };
}

function request(changes: Partial<PlacementRequest> = {}): PlacementRequest {
  return {
    app: name('shop'),
    service: name('web'),
    resources: { cpu: 0.5, memoryBytes: 512 * MIB },
    placement: { policy: 'spread', constraints: {} },
    avoid: new Set(),
    ...changes,
  };
}

const web = (memory: number, cpu = 0.1) => ({ app: name('shop'), service: name('web'), resources: { cpu, memoryBytes: memory * MIB } });
const other = (memory: number, cpu = 0.1) => ({ app: name('blog'), service: name('api'), resources: { cpu, memoryBytes: memory * MIB } });

test('a refusal names every node with its numbers', () => {
  const result = place(request({ hostPort: 8080 }), [
    node('worker-1', { assigned: [other(608)] }),
    node('worker-2', { condition: 'suspect' }),
    node('worker-3', { closed: 'is cordoned: new disk' }),
    node('worker-4', { assigned: [{ ...other(1), hostPort: 8080 }] }),
    node('worker-5', { assigned: [other(1, 1.75)] }),
    node('worker-6', { capacity: { cpu: 2, memoryBytes: 256 * MIB } }),
  ]);
  deepEqual(result, {
    placed: false,
    lasting: false,
    reasons: new Map([
      ['worker-1', 'needs 512Mi, 416Mi free'],
      ['worker-2', 'is suspect'],
      ['worker-3', 'is cordoned: new disk'],
      ['worker-4', 'port 8080 is taken by blog/api'],
      ['worker-5', 'needs 0.5 cores, 0.25 cores free'],
      ['worker-6', 'needs 512Mi, has 256Mi in all'],
    ]),
  });
});

test('a wish no node can ever fulfil is lasting, one that waits for a node is not', () => {
  const wish = request({ placement: { policy: 'spread', constraints: { disk: 'ssd' } } });
  const never = place(wish, [node('a'), node('b', { labels: { disk: 'hdd' } })]);
  deepEqual(never, {
    placed: false,
    lasting: true,
    reasons: new Map([
      ['a', 'needs disk=ssd, has no such label'],
      ['b', 'needs disk=ssd, has disk=hdd'],
    ]),
  });
  const joining = place(wish, [node('a'), node('c', { labels: { disk: 'ssd' }, condition: 'down', capacity: { cpu: 0, memoryBytes: 0 } })]);
  equal(joining.placed === false && joining.lasting, false);
});

test('equal reasons are told once and an empty cluster is a reason too', () => {
  equal(
    explainRefusal(
      new Map([
        [name('w-10'), 'is lost'],
        [name('w-2'), 'is lost'],
        [name('w-1'), 'is down'],
      ]),
    ),
    'w-1: is down; w-2, w-10: is lost',
  );
  equal(explainRefusal(new Map()), 'the cluster has no nodes');
});

test('spread takes the node without a sibling, bin-pack the fullest that fits', () => {
  const nodes = [node('a', { assigned: [web(64)] }), node('b', { assigned: [other(300)] }), node('c')];
  equal(nodeOf(place(request(), nodes)), 'c');
  equal(nodeOf(place(request({ placement: { policy: 'bin-pack', constraints: {} } }), nodes)), 'b');
});

test('spread looks at the service first, then at the app, then at the load', () => {
  const sibling = web(1);
  const mate = { ...web(1), service: name('api') };
  equal(nodeOf(place(request(), [node('a', { assigned: [sibling] }), node('b', { assigned: [mate, mate, other(400)] })])), 'b');
  equal(nodeOf(place(request(), [node('a', { assigned: [mate] }), node('b', { assigned: [other(400, 1)] })])), 'b');
  equal(nodeOf(place(request(), [node('a', { assigned: [other(400, 1)] }), node('b', { assigned: [other(100)] })])), 'b');
});

test('what leaves takes room, but is no neighbour', () => {
  const leaving = { ...web(300), leaves: true as const };
  const nodes = [node('a', { assigned: [leaving] }), node('b', { assigned: [web(1)] })];
  equal(nodeOf(place(request(), nodes)), 'a');
  equal(nodeOf(place(request({ resources: { cpu: 0.5, memoryBytes: 800 * MIB } }), nodes)), 'b');
});

test('active and standby share a node only when no other can take one, even one where it failed before', () => {
  const avoid = new Set([name('b')]);
  const nodes = [node('a', { assigned: [web(1)] }), node('b')];
  for (const policy of ['spread', 'bin-pack'] as const) {
    const wish = request({ apart: true, avoid, placement: { policy, constraints: {} } });
    equal(nodeOf(place(wish, nodes)), 'b');
    equal(nodeOf(place(wish, [node('a', { assigned: [web(1)] }), node('b', { condition: 'lost' })])), 'a');
  }
});

test('a node to avoid is taken only when no other can (B1)', () => {
  const avoid = new Set([name('a')]);
  equal(nodeOf(place(request({ avoid }), [node('a'), node('b', { assigned: [web(100)] })])), 'b');
  equal(nodeOf(place(request({ avoid }), [node('a'), node('b', { condition: 'lost' })])), 'a');
});

const anyNode = fc
  .record({
    index: fc.integer({ min: 1, max: 30 }),
    condition: fc.constantFrom('ready' as const, 'ready' as const, 'ready' as const, 'suspect' as const, 'lost' as const, 'down' as const),
    closed: fc.option(fc.constant('is cordoned'), { nil: undefined, freq: 4 }),
    disk: fc.constantFrom('ssd', 'hdd'),
    cpu: fc.integer({ min: 0, max: 8 }),
    memory: fc.integer({ min: 0, max: 2048 }),
    assigned: fc.array(
      fc.record({
        memory: fc.integer({ min: 0, max: 600 }),
        tenths: fc.integer({ min: 0, max: 20 }),
        port: fc.option(fc.constantFrom(80, 81), { nil: undefined }),
        service: fc.constantFrom('web', 'web', 'api'),
        leaves: fc.boolean(),
      }),
      { maxLength: 4 },
    ),
  })
  .map(({ index, condition, closed, disk, cpu, memory, assigned }) =>
    node(`worker-${index}`, {
      condition,
      ...(closed === undefined ? {} : { closed }),
      labels: { disk },
      capacity: { cpu, memoryBytes: memory * MIB },
      assigned: assigned.map((each) => ({
        ...web(each.memory, each.tenths / 10),
        service: name(each.service),
        ...(each.leaves ? { leaves: true as const } : {}),
        ...(each.port === undefined ? {} : { hostPort: each.port }),
      })),
    }),
  );
const anyNodes = fc.uniqueArray(anyNode, { maxLength: 8, selector: (each) => each.name });
const anyRequest = fc
  .record({
    cpu: fc.integer({ min: 0, max: 20 }),
    memory: fc.integer({ min: 0, max: 800 }),
    port: fc.option(fc.constantFrom(80, 81), { nil: undefined }),
    policy: fc.constantFrom('spread' as const, 'bin-pack' as const),
    constraints: fc.constantFrom({}, { disk: 'ssd' }),
    avoid: fc.subarray(['worker-1', 'worker-2', 'worker-3'].map(name)),
    isApart: fc.boolean(),
  })
  .map(({ cpu, memory, port, policy, constraints, avoid, isApart }) =>
    request({
      resources: { cpu: cpu / 10, memoryBytes: memory * MIB },
      ...(port === undefined ? {} : { hostPort: port }),
      placement: { policy, constraints: constraints as Record<string, string> },
      avoid: new Set(avoid),
      ...(isApart ? { apart: true as const } : {}),
    }),
  );

test('law: the chosen node is well, open, labelled, has the port and stays within its capacity', () => {
  fc.assert(
    fc.property(anyRequest, anyNodes, (wish, nodes) => {
      const result = place(wish, nodes);
      if (!result.placed) return;
      const chosen = nodes.find((each) => each.name === result.node);
      ok(chosen !== undefined && chosen.condition === 'ready' && chosen.closed === undefined);
      for (const [label, value] of Object.entries(wish.placement.constraints)) equal(chosen.labels[label], value);
      ok(wish.hostPort === undefined || chosen.assigned.every((each) => each.hostPort !== wish.hostPort));
      const used = usedResources(chosen);
      ok(used.cpu + wish.resources.cpu <= chosen.capacity.cpu + 1e-6);
      ok(used.memoryBytes + wish.resources.memoryBytes <= chosen.capacity.memoryBytes);
    }),
  );
});

test('law: no other feasible node has fewer neighbours: of the service, then of the app', () => {
  fc.assert(
    fc.property(anyRequest, anyNodes, (wish, nodes) => {
      const feasible = nodes.filter((each) => place(wish, [each]).placed);
      const result = place(wish, nodes);
      if (!result.placed) return;
      const neighbours = (each: PlacementNode, service: string | undefined) =>
        each.assigned.filter((assigned) => assigned.leaves === undefined && (service ?? assigned.service) === assigned.service).length;
      const chosen = feasible.find((each) => each.name === result.node);
      ok(chosen);
      if (wish.apart && feasible.some((each) => neighbours(each, 'web') === 0)) equal(neighbours(chosen, 'web'), 0);
      if (wish.placement.policy !== 'spread' || wish.avoid.size > 0) return;
      for (const each of feasible) {
        const [here, there] = [neighbours(chosen, 'web'), neighbours(each, 'web')];
        ok(here <= there);
        if (here === there) ok(neighbours(chosen, undefined) <= neighbours(each, undefined));
      }
    }),
  );
});

test('law: a "no" has a reason for each node, and a "no" to one node alone is a "no" among all', () => {
  fc.assert(
    fc.property(anyRequest, anyNodes, (wish, nodes) => {
      const result = place(wish, nodes);
      if (result.placed) return;
      deepEqual([...result.reasons.keys()].sort(), nodes.map((each) => each.name).sort());
      for (const reason of result.reasons.values()) ok(reason.length > 0 && !reason.endsWith('.'));
      for (const each of nodes) equal(place(wish, [each]).placed, false);
    }),
  );
});

test('law: the order of the nodes does not matter', () => {
  const shuffled = anyNodes.chain((nodes) => fc.tuple(fc.constant(nodes), fc.shuffledSubarray(nodes, { minLength: nodes.length })));
  fc.assert(fc.property(anyRequest, shuffled, (wish, [nodes, others]) => deepEqual(place(wish, nodes), place(wish, others))));
});

function nodeOf(result: ReturnType<typeof place>): string | undefined {
  return result.placed ? result.node : undefined;
}
