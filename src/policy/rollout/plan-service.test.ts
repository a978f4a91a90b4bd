import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceId } from '#model/instance';
import { later } from '#model/moment';
import { modelSpec, SERVICE } from './service-model.ts';
import { crowds, model, phase, run, shape, stable } from './service-scenario.ts';

test('a first deploy fills all slots at once, spread over the nodes, and ends idle', () => {
  const service = model();
  service.deploy('good');
  service.step(1);
  service.step(1);
  equal(service.instances.size, 3);
  run(service, 20_000);
  deepEqual(shape(service), ['1 r1 worker-1 run', '2 r1 worker-2 run', '3 r1 worker-3 run']);
  deepEqual(service.state.rollout, { phase: 'idle', release: 1 });
  deepEqual(service.state.pending, []);
});

test('what is as wanted asks for nothing and for no wakeup', () => {
  const service = stable();
  run(service, 10_000);
  const before = service.state;
  deepEqual(service.control(), { actions: [], state: before });
});

test('R1, R2: an update replaces one slot at a time and keeps names', () => {
  const service = stable();
  service.deploy('good');
  let most = 0;
  for (let step = 0; step < 400; step++) {
    service.step(250);
    most = Math.max(most, [...service.instances.values()].filter((each) => each.intent.kind === 'run').length);
    ok(service.ready().length >= 3);
  }
  equal(most, 4);
  deepEqual([...service.instances.values()].map((each) => `${each.id} r${each.release}`).sort(), ['shop.web.1-4 r2', 'shop.web.2-5 r2', 'shop.web.3-6 r2']);
  deepEqual(service.state.rollout, { phase: 'idle', release: 2 });
});

test('an update leaves instances as far apart as they were: an old copy of a slot is no neighbour of its successor', () => {
  for (const options of [
    { count: 3 },
    { count: 3, update: { maxParallel: 3, maxSurge: 3 } },
    { count: 2, mode: 'active-standby' as const },
    { nodes: 2, count: 4 },
  ]) {
    const service = stable(options);
    for (let round = 0; round < 3; round++) {
      service.deploy('good');
      run(service, 90_000);
      deepEqual(service.state.rollout, { phase: 'idle', release: round + 2 });
      const { nodes = 3, count } = options;
      deepEqual(crowds(service), crowdsOf(count, nodes), JSON.stringify(options));
    }
  }
});

test('a restart replaces one instance after the other like an update, without a new release', () => {
  const service = stable();
  service.app = { ...service.app, restarts: { [SERVICE]: 1 } };
  for (let step = 0; step < 400; step++) {
    service.step(250);
    ok(service.ready().length >= 3);
    equal(service.state.rollout.phase, 'idle');
  }
  deepEqual([...service.instances.values()].map((each) => `${each.id} r${each.release} g${each.generation}`).sort(), [
    'shop.web.1-4 r1 g1',
    'shop.web.2-5 r1 g1',
    'shop.web.3-6 r1 g1',
  ]);
  deepEqual(crowds(service), [1, 1, 1]);
  const reasons = service.history.flatMap(({ action }) => (action.kind === 'drain' || action.kind === 'place' ? [action.reason] : []));
  ok(reasons.includes('web.1 is restarted') && reasons.includes('replaces web.1, which is restarted'));
  deepEqual(service.control(), { actions: [], state: service.state });
});

test('a restart of one slot replaces that slot only, and a deploy afterwards does not repeat it', () => {
  const service = stable();
  service.app = { ...service.app, restarts: { [SERVICE]: 2, [`${SERVICE}.2`]: 3 } };
  for (const instance of [...service.instances.values()]) service.instances.set(instance.id, { ...instance, generation: 2 });
  run(service, 30_000);
  const serials = () => [...service.instances.values()].map((each) => `${each.slot} ${each.serial}`).sort();
  deepEqual(serials(), ['1 1', '2 4', '3 3']);
  const { run: command } = modelSpec(1, { count: 3 });
  service.deploy('good', { run: command, routes: [{ host: '*', path: '/' }] });
  run(service, 30_000);
  deepEqual(serials(), ['1 1', '2 4', '3 3']);
});

test('a restart into instances that do not come up takes nothing away', () => {
  const service = stable();
  service.qualities.set(1, 'never-ready');
  for (const gateway of service.gateways.values()) for (const health of gateway.health.values()) health.nextAt = later(service.now, 1e9);
  service.app = { ...service.app, restarts: { [SERVICE]: 1 } };
  run(service, 60_000);
  equal(service.ready().length, 3);
  ok(service.state.pending.length > 0);
});

test('R10: a change that needs no restart reaches every instance in place', () => {
  const service = stable();
  const { run: command } = modelSpec(1, { count: 3 });
  service.deploy('good', { run: command, routes: [{ host: '*', path: '/' }] });
  run(service, 2_000);
  deepEqual(shape(service), ['1 r2 worker-1 run', '2 r2 worker-2 run', '3 r2 worker-3 run']);
  deepEqual([...service.instances.values()].map((each) => each.serial).sort(), [1, 2, 3]);
  deepEqual(service.state.rollout, { phase: 'idle', release: 2 });
});

test('R6: a failing update is reverted once, and untouched old instances stay what they are', () => {
  const service = stable();
  service.deploy('crashes');
  run(service, 60_000);
  const fails = service.history.filter(({ action }) => action.kind === 'fail');
  equal(fails.length, 1);
  deepEqual(shape(service), ['1 r1 worker-1 run', '2 r1 worker-2 run', '3 r1 worker-3 run']);
  deepEqual([...service.instances.values()].map((each) => each.serial).sort(), [1, 2, 3]);
  const release = service.releases.get(2);
  equal(release?.outcome.kind, 'reverted');
  ok(service.state.rollout.phase === 'failed' && service.state.rollout.revertTo === 1);
  ok(service.state.rollout.cause.code === 'exited' && service.state.rollout.cause.message.startsWith('web.1 on worker-'));
  deepEqual(service.state.rollout.cause.output, ['boom']);
});

test('R6: the first deploy ever that fails is stopped, is not tried again, and says why with the last output', () => {
  const service = model();
  service.deploy('crashes');
  run(service, 120_000);
  deepEqual(shape(service), []);
  ok(service.state.rollout.phase === 'failed');
  equal(service.state.rollout.revertTo, undefined);
  equal(service.history.filter(({ action }) => action.kind === 'place').length, 3);
  ok(service.state.pending.length > 0);
});

test('R5: a wish that no node can ever fulfil fails at once with the reasons', () => {
  const service = stable();
  service.deploy('good', { resources: { cpu: 99, memoryBytes: 1 } });
  run(service, 1_000);
  ok(service.state.rollout.phase === 'failed');
  deepEqual(service.state.rollout.cause, {
    code: 'not-placed',
    message: 'web.1 finds no node: worker-1, worker-2, worker-3: needs 99 cores, has 4 cores in all',
  });
});

test('R8: a fix supersedes a broken deploy in its middle, and the broken instances go first', () => {
  const service = stable();
  service.deploy('never-ready');
  run(service, 5_000);
  service.deploy('good');
  run(service, 60_000);
  deepEqual(new Set([...service.instances.values()].map((each) => each.release)), new Set([3]));
  deepEqual(service.state.rollout, { phase: 'idle', release: 3 });
});

test('R1: without surge an update stops first, one at a time', () => {
  const service = stable({ update: { maxSurge: 0, maxUnavailable: 1 } });
  service.deploy('good');
  let least = 3;
  for (let step = 0; step < 400; step++) {
    service.step(250);
    least = Math.min(least, service.ready().length);
    ok([...service.instances.values()].filter((each) => each.intent.kind === 'run').length <= 3);
  }
  equal(least, 2);
  deepEqual(service.state.rollout, { phase: 'idle', release: 2 });
});

test('R2: while an old instance does not pass, no other one that does is taken out', () => {
  const service = stable();
  service.sick.add('shop.web.3-3' as InstanceId);
  run(service, 3_000);
  equal(service.ready().length, 2);
  service.deploy('good');
  for (let step = 0; step < 60; step++) {
    service.step(250);
    ok(service.ready().length >= 2);
    ok(service.instances.get('shop.web.1-1' as InstanceId)?.intent.kind === 'run');
  }
  service.sick.clear();
  run(service, 60_000);
  deepEqual(service.state.rollout, { phase: 'idle', release: 2 });
});

test('R2: two at a time still leave as many as must serve', () => {
  const service = stable({ update: { maxSurge: 0, maxUnavailable: 1, maxParallel: 3 } });
  service.deploy('good');
  for (let step = 0; step < 300; step++) {
    service.step(250);
    ok(service.ready().length >= 2);
  }
  deepEqual(service.state.rollout, { phase: 'idle', release: 2 });
});

test('R7: a canary comes on top of all old instances, which stay until it is healthy', () => {
  const service = stable({ update: { canary: 2, maxSurge: 1 } });
  service.deploy('good');
  run(service, 2_000);
  deepEqual(
    shape(service).map((each) => each.slice(0, 4)),
    ['1 r1', '1 r2', '2 r1', '2 r2', '3 r1'],
  );
  run(service, 60_000);
  deepEqual(new Set([...service.instances.values()].map((each) => each.release)), new Set([2]));
  deepEqual(service.state.rollout, { phase: 'idle', release: 2 });
});

test('R7: a canary that fails has taken nothing away', () => {
  const service = stable({ update: { canary: 1 } });
  service.deploy('crashes');
  run(service, 60_000);
  deepEqual([...service.instances.values()].map((each) => each.serial).sort(), [1, 2, 3]);
  equal(phase(service), 'failed');
});

test('a scale-down takes the highest slots, a scale-up adds the lowest missing', () => {
  const service = stable();
  service.app = { ...service.app, counts: { [SERVICE]: 1 } };
  run(service, 10_000);
  deepEqual(shape(service), ['1 r1 worker-1 run']);
  service.app = { ...service.app, counts: { [SERVICE]: 2 } };
  run(service, 10_000);
  deepEqual(shape(service), ['1 r1 worker-1 run', '2 r1 worker-2 run']);
});

test('A2: a scale-down in the middle of a rollout waits for its end and does not keep it from coming', () => {
  const service = model();
  service.deploy('good');
  while (service.ready().length < 3) service.step(250);
  equal(service.state.rollout.phase, 'rolling');
  service.app = { ...service.app, counts: { [SERVICE]: 2 } };
  run(service, 60_000);
  deepEqual(service.state.rollout, { phase: 'idle', release: 1 });
  deepEqual(shape(service), ['1 r1 worker-1 run', '2 r1 worker-2 run']);
  equal(service.releases.get(1)?.outcome.kind, 'stable');
});

test('rm stops everything in order and then asks to be forgotten', () => {
  const service = stable();
  service.app = { ...service.app, removing: true };
  run(service, 20_000);
  equal(service.instances.size, 0);
  deepEqual(service.control().actions, [{ kind: 'forget' }]);
});

/** The same for as even a spread as can be. */
function crowdsOf(count: number, nodes: number): number[] {
  return Array.from({ length: Math.min(count, nodes) }, (_, index) => Math.ceil((count - index) / nodes));
}
