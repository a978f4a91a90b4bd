import { deepEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { modelSpec, ServiceModel } from './service-model.ts';
import { run } from './service-scenario.ts';

const steady = (): number => 0.5;
const running = (service: ServiceModel) => [...service.instances.values()].filter(({ intent }) => intent.kind === 'run');

/** Two slots with two instances each: a deploy with a surge of two was superseded half-way. */
function superseded(): ServiceModel {
  const service = new ServiceModel({ nodes: 4, count: 2, luck: steady, update: { maxSurge: 2, maxParallel: 2 } });
  service.deploy('good');
  run(service, 30_000);
  service.deploy('good');
  // All four serve, but the new ones not long enough to be healthy.
  for (let step = 0; step < 200 && service.ready().length < 4; step++) service.step(50);
  deepEqual(
    running(service)
      .map(({ slot, release }) => `${slot} r${release}`)
      .sort(),
    ['1 r1', '1 r2', '2 r1', '2 r2'],
  );
  return service;
}

test('R1: slots that a larger count adds are filled as far as count and surge allow, while superseded instances still stand next to each other', () => {
  const service = superseded();
  const { update } = modelSpec(3, { count: 5 });
  service.deploy('good', { count: 5, update });
  let most = 0;
  for (let step = 0; step < 1_200; step++) {
    service.step(50);
    most = Math.max(most, running(service).length);
  }
  ok(most <= 5 + update.maxSurge, `${most} at once`);
  deepEqual(
    running(service)
      .map(({ slot, release }) => `${slot} r${release}`)
      .sort(),
    ['1 r3', '2 r3', '3 r3', '4 r3', '5 r3'],
  );
});

test('R8: where nothing else starts, the first empty slot is filled whatever stands next to each other', () => {
  const service = superseded();
  service.deploy('good', { count: 3, update: { ...modelSpec(3, { count: 3 }).update, maxSurge: 0, maxUnavailable: 1 } });
  run(service, 60_000);
  deepEqual(
    running(service)
      .map(({ slot, release }) => `${slot} r${release}`)
      .sort(),
    ['1 r3', '2 r3', '3 r3'],
  );
});
