import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '#base/errors';
import { keyOf } from '#model/keys';
import type { AgentStatus } from '#model/node';
import type { StoreView } from '#model/store-view';
import { Simulation } from '#world/simulated/simulation';
import type { UnixMs, World } from '#world/world';
import { Registration } from './registration.ts';
import { EXAMPLE_NODE } from './testing/example-instance.ts';
import { withLateFirstWrite } from './testing/late-write.ts';
import { TestCluster } from './testing/test-cluster.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const status: AgentStatus = {
  node: EXAMPLE_NODE,
  address: { host: '127.0.0.1', port: 1 },
  host: '127.0.0.1',
  pid: 1,
  bootId: 'b',
  startedAt: 0 as UnixMs,
  capacity: { cpu: 1, memoryBytes: 1 },
  limits: 'none',
  version: 'test',
};

interface Rig {
  readonly simulation: Simulation;
  readonly world: World;
  readonly cluster: TestCluster;
  readonly registration: Registration;
  readonly registered: number[];
  /** Moments at which renewals were sent. */
  readonly renewals: number[];
  /** How long the way back of a renewal takes. */
  answerAfterMs: number;
}

function rig(): Rig {
  const simulation = new Simulation({ seed: 3, drain });
  const { world } = simulation.host('node');
  const cluster = new TestCluster();
  const view = cluster.view(world);
  const registered: number[] = [];
  const renewals: number[] = [];
  const slow: StoreView = {
    ...view,
    keepLease: async (lease) => {
      renewals.push(simulation.nowMs);
      await view.keepLease(lease);
      await world.clock.sleep(made.answerAfterMs);
    },
  };
  const registration = new Registration(world, slow, { status, onRegistered: () => registered.push(simulation.nowMs) });
  const made: Rig = { simulation, world, cluster, registration, registered, renewals, answerAfterMs: 0 };
  return made;
}

const isListed = ({ cluster }: Rig) => cluster.items.has(keyOf.agent(EXAMPLE_NODE));

test('the node is registered, and its lease renewed every third of its time, spread (N1)', async () => {
  const one = rig();
  const ending = new AbortController();
  const running = one.registration.run(ending.signal);
  await one.simulation.run({ untilMs: 60_000 });
  assert.ok(isListed(one) && one.registration.isHeld);
  assert.equal(one.registered.length, 1);
  const gaps = one.renewals.slice(1).map((at, index) => at - (one.renewals[index] ?? 0));
  assert.ok(
    gaps.every((gap) => gap > 2_900 && gap < 3_800),
    gaps.join(),
  );
  assert.ok(new Set(gaps.map(Math.round)).size > 3, 'the gaps differ');
  ending.abort(new PlatformError('ABORTED', 'enough'));
  await one.simulation.complete(running);
  assert.ok(isListed(one), 'a successor may come before the lease ends');
  await one.simulation.complete(one.registration.leave());
  assert.equal(isListed(one), false);
});

test('the local deadline counts from before the renewal was sent, so the holder gives up before the store does (N2)', async () => {
  const one = rig();
  void one.registration.run(new AbortController().signal);
  await one.simulation.run({ untilMs: 5_000 });
  one.answerAfterMs = 4_000;
  const from = one.renewals.length;
  await one.simulation.run({ until: () => one.renewals.length > from });
  const sentAt = one.simulation.nowMs;
  await one.simulation.run({ untilMs: sentAt + 4_100 });
  one.cluster.cut();
  while (one.registration.isHeld && isListed(one)) await one.simulation.run({ untilMs: one.simulation.nowMs + 10 });
  const endedHere = one.simulation.nowMs;
  await one.simulation.run({ untilMs: sentAt + 30_000, until: () => !isListed(one) });
  assert.ok(endedHere <= sentAt + 9_520, `given up at ${endedHere - sentAt}`);
  assert.ok(one.simulation.nowMs > endedHere + 100, 'the store ended it later');
});

test('after an absence the node registers anew, and says so', async () => {
  const one = rig();
  void one.registration.run(new AbortController().signal);
  await one.simulation.run({ untilMs: 5_000 });
  one.cluster.cut();
  await one.simulation.run({ untilMs: 40_000 });
  assert.equal(isListed(one), false);
  one.cluster.isReachable = true;
  await one.simulation.run({ untilMs: 45_000 });
  assert.ok(isListed(one) && one.registration.isHeld);
  assert.equal(one.registered.length, 2);
});

test('a registration that arrives after the next one does not put the node under a lease that nobody keeps', async () => {
  const one = rig();
  const view = one.cluster.view(one.world);
  const late: (() => void)[] = [];
  const slow = withLateFirstWrite(view, late);
  const registration = new Registration(one.world, slow, { status, onRegistered: () => one.registered.push(one.simulation.nowMs) });
  void registration.run(new AbortController().signal);
  await one.simulation.run({ until: () => one.registered.length === 1 });
  for (const arrive of late) arrive();
  await one.simulation.run({ untilMs: 60_000 });
  assert.ok(isListed(one) && registration.isHeld);
});
