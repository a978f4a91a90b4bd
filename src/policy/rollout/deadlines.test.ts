import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { Rollout } from '#model/app';
import { modelSpec, type ServiceModel } from './service-model.ts';
import { run, stable } from './service-scenario.ts';

const PROGRESS_DEADLINE_MS = 120_000;
/** As much as a node has: it fits only where nothing else is, which may yet come to be. */
const WHOLE_NODE = { resources: { cpu: 0.1, memoryBytes: 1_000 } };

function rolling(service: ServiceModel): Rollout & { phase: 'rolling' } {
  const { rollout } = service.state;
  ok(rollout.phase === 'rolling', rollout.phase);
  return rollout;
}

test('R3: an instance that starts but never passes fails the deploy at its healthy deadline', () => {
  const service = stable();
  service.deploy('never-ready');
  run(service, 50_000);
  rolling(service);
  run(service, 40_000);
  ok(service.state.rollout.phase === 'failed' && service.state.rollout.cause.code === 'unhealthy');
});

test('R3: before its artifact is on the node the healthy deadline of an instance does not run', () => {
  const service = stable();
  service.deploy('good');
  for (let passed = 0; passed < 100_000; passed += 250) {
    for (const runner of service.runners.values()) if (runner.phase === 'starting') runner.phase = 'fetching';
    service.step(250);
  }
  rolling(service);
  deepEqual(
    [...service.observations.values()].filter(({ wasReady }) => !wasReady).map(({ preparedAt }) => preparedAt),
    [undefined],
  );
});

test('R4: what makes no progress fails at the progress deadline, with the reason, and is reverted', () => {
  const service = stable();
  service.deploy('good', WHOLE_NODE);
  run(service, PROGRESS_DEADLINE_MS - 1_000);
  rolling(service);
  run(service, 2_000);
  const { rollout } = service.state;
  ok(rollout.phase === 'failed');
  equal(rollout.cause.code, 'not-placed');
  ok(rollout.cause.message.startsWith('no further instance became healthy within 2m: web.1 finds no node: '), rollout.cause.message);
  equal(rollout.revertTo, 1);
  equal(service.ready().length, 3);
});

test('R4: the progress deadline is on record, so that a change of leader does not put it off', () => {
  const service = stable();
  service.deploy('good', WHOLE_NODE);
  for (let passed = 0; passed < PROGRESS_DEADLINE_MS - 1_000; passed += 1_000) {
    // All that a new leader does not know.
    service.observations.clear();
    service.step(1_000);
  }
  rolling(service);
  run(service, 2_000);
  equal(service.state.rollout.phase, 'failed');
});

test('R6: a release with the spec of the one before is never reverted: that would change nothing', () => {
  const service = stable();
  for (const { id } of service.ready()) service.sick.add(id);
  const { run: command } = modelSpec(1, { count: 3 });
  service.deploy('good', { run: command });
  run(service, PROGRESS_DEADLINE_MS + 5_000, 1_000);
  const { rollout } = service.state;
  ok(rollout.phase === 'failed');
  deepEqual([rollout.release, rollout.revertTo, rollout.cause.code], [2, undefined, 'progress-deadline']);
  deepEqual(
    [...service.instances.values()].map(({ serial, intent }) => `${serial} ${intent.kind}`),
    ['1 run', '2 run', '3 run'],
  );
});

test('R4: each newly healthy instance starts the progress deadline again, and nothing else does', () => {
  const service = stable();
  service.deploy('good');
  service.step(250);
  const { startedAt } = rolling(service);
  const progress = new Map<number, number>();
  while (service.state.rollout.phase === 'rolling') {
    const { healthy, progressAt } = rolling(service);
    if (!progress.has(healthy)) progress.set(healthy, progressAt);
    equal(progressAt, progress.get(healthy));
    service.step(250);
  }
  deepEqual([...progress.keys()], [0, 1, 2, 3]);
  equal(progress.get(0), startedAt);
  const moments = [...progress.values()];
  ok(moments.every((at, index) => index === 0 || at > (moments[index - 1] ?? 0)));
  deepEqual(service.state.rollout, { phase: 'idle', release: 2 });
});
