import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { SERVICE, type ServiceModel } from './service-model.ts';
import { fail, generator, model, run, stable } from './service-scenario.ts';

test('active/standby: the standby takes over for good when the active one is lost, and `switch` moves it back (N12)', () => {
  const service = stable({ count: 2, mode: 'active-standby' });
  equal(primary(service), 1);
  fail(service, 'worker-2', { power: false });
  service.step(250);
  equal(primary(service), 2);
  run(service, 20_000);
  equal(primary(service), 2);
  equal(service.state.activeSlot, 2);
  service.app = { ...service.app, activeSlots: { [SERVICE]: 1 } };
  run(service, 1_000);
  equal(primary(service), 1);
  deepEqual(service.app.activeSlots, {});
});

test('active/standby: the first slot becomes active even if the standby is ready first', () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const service = model({ count: 2, mode: 'active-standby', luck: generator(seed) });
    service.deploy('good');
    run(service, 30_000);
    equal(primary(service), 1);
    equal(service.state.activeSlot, 1);
  }
});

test('active/standby: an update changes the standby first and has one primary at all times', () => {
  const service = stable({ count: 2, mode: 'active-standby' });
  service.deploy('good');
  for (let step = 0; step < 200; step++) {
    service.step(250);
    equal([...service.instances.values()].filter((each) => each.intent.kind === 'run' && each.tier === 'primary').length, 1);
  }
  deepEqual(
    service.history.filter(({ action }) => action.kind === 'place').map(({ action }) => action.kind === 'place' && action.slot),
    [2, 1, 2, 1],
  );
  equal(service.state.activeSlot, 1);
  deepEqual(service.state.rollout, { phase: 'idle', release: 2 });
});

function primary(service: ServiceModel): number | undefined {
  return [...service.instances.values()].find((each) => each.intent.kind === 'run' && each.tier === 'primary')?.slot;
}
