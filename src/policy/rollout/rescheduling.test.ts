import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceId } from '#model/instance';
import { later, type Moment } from '#model/moment';
import { RESCHEDULE_DELAY_CAP_MS, RESCHEDULE_DELAY_MS, rescheduleAt } from './rescheduling.ts';
import type { ServiceModel } from './service-model.ts';
import { run, stable } from './service-scenario.ts';

/** The one instance is given up by its agent; how long it takes until it is tried elsewhere. */
function giveUp(service: ServiceModel): number {
  const [id] = [...service.instances.keys()] as [InstanceId];
  service.runners.set(id, { phase: 'failed', attempt: 6, nextAt: later(service.now, 1e9) });
  service.step(250);
  const failedAt = service.now;
  while (service.instances.has(id) && service.instances.get(id)?.intent.kind === 'run') service.step(250);
  const passed = service.now - failedAt;
  while (service.ready().length < 1) service.step(250);
  return passed;
}

test('B1: the delay before each further try elsewhere doubles, up to its cap', () => {
  const [facts] = stable({ count: 1 }).snapshot().instances;
  ok(facts);
  const failedAt = 5_000 as Moment;
  const given = { ...facts, observation: { ...facts.observation, failedAt } };
  const delays = [0, 1, 2, 3, 4, 5, 50].map((count) => {
    const state = { ...stable({ count: 1 }).state, rescheduling: { '1': { count, at: failedAt, nodes: [] } } };
    return (rescheduleAt(given, state) ?? 0) - failedAt;
  });
  deepEqual(
    delays,
    [1, 2, 4, 8, 16, 20, 20].map((factor) => factor * RESCHEDULE_DELAY_MS),
  );
  equal(RESCHEDULE_DELAY_CAP_MS, 600_000);
});

test('B1, B2: an instance that is given up again waits longer, until it was healthy for the whole reset time', () => {
  const service = stable({ count: 1 });
  const [first, second] = [giveUp(service), giveUp(service)];
  ok(first >= 30_000 && first < 31_000, String(first));
  ok(second >= 60_000 && second < 61_000, String(second));
  deepEqual(service.state.rescheduling?.['1']?.count, 2);
  run(service, 590_000, 1_000);
  equal(service.state.rescheduling?.['1']?.count, 2);
  run(service, 30_000, 1_000);
  equal(service.state.rescheduling?.['1'], undefined);
  const again = giveUp(service);
  ok(again >= 30_000 && again < 31_000, String(again));
});

test('B1: what is given up is tried on a node it was not given up by, while there is one', () => {
  const service = stable({ count: 1 });
  const nodes = () => [...service.instances.values()].map(({ node }) => node);
  const tried = [...nodes()];
  for (let round = 0; round < 2; round++) {
    giveUp(service);
    tried.push(...nodes().filter((node) => !tried.includes(node)));
  }
  equal(new Set(tried).size, 3);
});

test('B1: an instance its agent gave up is tried on another node after the delay', () => {
  const service = stable();
  const [id] = [...service.instances.keys()] as [InstanceId];
  service.runners.set(id, { phase: 'failed', attempt: 5, nextAt: later(service.now, 1e9) });
  run(service, 29_000);
  equal(service.instances.size, 3);
  ok(service.state.pending[0]?.startsWith('web.1 was given up by worker-1: exited with code 1; next try elsewhere at '));
  run(service, 20_000);
  const replacement = [...service.instances.values()].find((each) => each.slot === 1);
  ok(replacement !== undefined && replacement.node !== 'worker-1');
  deepEqual(service.state.rescheduling?.['1'], { count: 1, at: service.state.rescheduling?.['1']?.at, nodes: ['worker-1'] });
});
