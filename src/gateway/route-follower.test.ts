import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { StoreView } from '#model/store-view';
import { Simulation } from '#world/simulated/simulation';
import { MemoryView } from './memory-view.ts';
import { RouteFollower } from './route-follower.ts';
import type { Snapshot } from './workers.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A follower of a view, what it told, and virtual time for it. */
function rig(view: StoreView) {
  const simulation = new Simulation({ seed: 1, drain });
  const told: Snapshot[] = [];
  const follower = new RouteFollower(simulation.host('gateway').world, view, (routes) => told.push(routes));
  const pass = async (ms: number) => await simulation.run({ untilMs: simulation.nowMs + ms });
  return { follower, told, pass };
}

test('the first answer is told even if there is no route; a revision that changes none is not', async () => {
  const view = new MemoryView();
  const { follower, told, pass } = rig(view);
  follower.follow();
  await pass(1_000);
  deepEqual(told, [{ revision: 1, routes: [] }]);
  view.put('/routes/shop/web', { service: 'web' });
  view.put('/elsewhere/x', {});
  await pass(1_000);
  deepEqual(told.slice(1), [{ revision: 2, routes: [{ service: 'web' }] }]);
  follower[Symbol.dispose]();
});

test('while control is away the age grows from what was assumed, and what it says then is told', async () => {
  const view = new MemoryView();
  view.isDown = true;
  const { follower, told, pass } = rig(view);
  follower.assumeAge(100);
  follower.follow();
  await pass(20_000);
  deepEqual([follower.ageSeconds, follower.isConnected, told.length], [120, false, 0]);
  view.isDown = false;
  await pass(5_000);
  deepEqual([follower.isConnected, told.length], [true, 1]);
  equal(follower.ageSeconds < 6, true);
  follower[Symbol.dispose]();
});
