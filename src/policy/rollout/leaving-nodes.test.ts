import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '#base/name';
import { later } from '#model/moment';
import { fail, run, shape, stable } from './service-scenario.ts';

test('N3: instances of a lost node are replaced at once, and the lost ones go when the others are ready', () => {
  const service = stable();
  fail(service, 'worker-2', { power: false });
  service.step(1);
  deepEqual(shape(service), ['1 r1 worker-1 run', '2 r1 worker-1 run', '2 r1 worker-2 run', '3 r1 worker-3 run']);
  equal([...service.instances.values()].find((each) => each.serial === 4)?.reason, 'replaces web.2 of lost node worker-2');
  run(service, 20_000);
  deepEqual(shape(service), ['1 r1 worker-1 run', '2 r1 worker-1 run', '2 r1 worker-2 stop', '3 r1 worker-3 run']);
});

test('N7: a node that comes back before its replacement is ready keeps what runs there', () => {
  const service = stable();
  fail(service, 'worker-2', { power: true });
  service.step(1);
  const node = service.nodes.get('worker-2' as Name);
  ok(node !== undefined);
  node.heard = true;
  run(service, 20_000);
  deepEqual(shape(service), ['1 r1 worker-1 run', '2 r1 worker-2 run', '3 r1 worker-3 run']);
});

test('D1: a drain starts the replacement first, even for a single instance', () => {
  const service = stable({ count: 1 });
  const node = service.nodes.get('worker-1' as Name);
  ok(node !== undefined);
  node.drainDeadline = later(service.now, 900_000);
  for (let step = 0; step < 100; step++) {
    service.step(250);
    ok(service.ready().length >= 1);
  }
  deepEqual(shape(service), ['1 r1 worker-2 run']);
});

test('R1, D1: an empty slot is filled before a drain may surge, so both together stay within the surge', () => {
  const service = stable({ nodes: 4 });
  const onDrained = [...service.instances.values()].find((each) => each.slot === 1);
  const node = onDrained && service.nodes.get(onDrained.node);
  ok(node);
  node.drainDeadline = later(service.now, 600_000);
  // Slot 3 is empty: its instance was taken out before its successor was placed.
  for (const [id, { slot }] of service.instances) if (slot === 3) service.instances.delete(id);
  const placed = service.control().actions.filter((action) => action.kind === 'place');
  deepEqual(
    placed.map((action) => action.slot),
    [3, 1],
  );
  const narrow = stable({ nodes: 4, update: { maxSurge: 1, maxUnavailable: 1 } });
  for (const each of narrow.instances.values()) {
    const host = narrow.nodes.get(each.node);
    if (host && each.slot < 3) host.drainDeadline = later(narrow.now, 600_000);
  }
  for (const [id, { slot }] of narrow.instances) if (slot === 3) narrow.instances.delete(id);
  narrow.control();
  equal([...narrow.instances.values()].filter((each) => each.intent.kind === 'run').length, 4);
});

test('D2: at the deadline of a drain what is left is stopped, kill time included', () => {
  const service = stable({ nodes: 1, count: 1 });
  const node = service.nodes.get('worker-1' as Name);
  ok(node !== undefined);
  node.drainDeadline = later(service.now, 30_000);
  run(service, 10_000);
  equal(shape(service).length, 1);
  ok(service.state.pending.some((reason) => reason.includes('worker-1: is draining')));
  run(service, 20_000);
  deepEqual(shape(service), []);
});

test('D3: undrain in the middle leaves no duplicate', () => {
  const service = stable();
  const node = service.nodes.get('worker-3' as Name);
  ok(node !== undefined);
  node.drainDeadline = later(service.now, 900_000);
  run(service, 1_000);
  equal(service.instances.size, 4);
  node.drainDeadline = undefined;
  run(service, 20_000);
  deepEqual(shape(service), ['1 r1 worker-1 run', '2 r1 worker-2 run', '3 r1 worker-3 run']);
});
