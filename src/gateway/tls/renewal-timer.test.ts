import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { Simulation } from '#world/simulated/simulation';
import type { UnixMs, World } from '#world/world';
import type { Dated } from './renewal-plan.ts';
import { RenewalTimer } from './renewal-timer.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function week(world: World): Dated {
  const now = world.clock.wall();
  return { validFrom: now, validTo: (now + 7 * dayMs) as UnixMs };
}

test('each certificate is renewed at two thirds of its life, again and again, and no more once it is over', async () => {
  const simulation = new Simulation({ seed: 1, drain });
  const { world } = simulation.host('gateway');
  const began = world.clock.wall();
  const renewedHours: number[] = [];
  const timer = new RenewalTimer(world, async () => {
    renewedHours.push((world.clock.wall() - began) / hourMs);
    return [week(world)];
  });
  timer.follow([week(world)]);
  await simulation.run({ untilMs: 15 * dayMs });
  deepEqual(
    renewedHours.map((hours) => Math.floor(hours)),
    [112, 224, 336],
  );
  timer[Symbol.dispose]();
  await simulation.run({ untilMs: 30 * dayMs });
  deepEqual(renewedHours.length, 3);
});

test('a renewal that fails is repeated every minute, with the old certificates in force meanwhile', async () => {
  const simulation = new Simulation({ seed: 2, drain });
  const { world } = simulation.host('gateway');
  const tries: UnixMs[] = [];
  using timer = new RenewalTimer(world, async () => {
    tries.push(world.clock.wall());
    if (tries.length < 4) throw new Error('not now');
    return [week(world)];
  });
  timer.follow([week(world)]);
  await simulation.run({ untilMs: 5 * dayMs });
  const [first = 0] = tries;
  deepEqual(
    tries.map((at) => Math.round((at - first) / 60_000)),
    [0, 1, 2, 3],
  );
});

test('certificates that come by a reload are followed in the place of those before', async () => {
  const simulation = new Simulation({ seed: 3, drain });
  const { world } = simulation.host('gateway');
  let renewals = 0;
  using timer = new RenewalTimer(world, async () => {
    renewals++;
    return [week(world)];
  });
  timer.follow([week(world)]);
  await simulation.run({ untilMs: 4 * dayMs });
  timer.follow([week(world)]);
  await simulation.run({ untilMs: 8 * dayMs });
  deepEqual(renewals, 0);
  timer.follow([]);
  await simulation.run({ untilMs: 20 * dayMs });
  deepEqual(renewals, 0);
});
