import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '#base/name';
import type { ServiceState } from '#model/app';
import type { Event } from '#model/event';
import { exampleService } from '#model/example-service';
import type { GatewayFence } from '#model/fence';
import type { Instance } from '#model/instance';
import { keyOf, PREFIX } from '#model/keys';
import { Simulation } from '#world/simulated/simulation';
import { ScriptedCluster } from './scripted-cluster.ts';
import { scriptedApp, writePool, writeRelease } from './scripted-parts.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const SHOP = 'shop' as Name;
const WEB = 'web' as Name;
const GATEWAY_2 = 'gateway-2' as Name;

/** A cluster with two gateways; `ear.isDeaf` makes the second one acknowledge nothing while it keeps its lease. */
async function settled(): Promise<{ readonly cluster: ScriptedCluster; readonly ear: { isDeaf: boolean } }> {
  const cluster = new ScriptedCluster(new Simulation({ seed: 3, drain }));
  const ear = { isDeaf: false };
  cluster.control('control-1');
  await writePool(cluster.view, 'worker' as Name, 2);
  for (const node of ['worker-1', 'worker-2']) cluster.agent(node);
  cluster.gateway('gateway-1');
  cluster.gateway('gateway-2', () => ear.isDeaf);
  await writeRelease(cluster.view, scriptedApp(SHOP, [exampleService(WEB, { count: 3 })]), 1);
  await cluster.run(20_000);
  deepEqual((await cluster.one<ServiceState>(keyOf.service(SHOP, WEB)))?.rollout, { phase: 'idle', release: 1 });
  return { cluster, ear };
}

async function intents(cluster: ScriptedCluster): Promise<string[]> {
  return (await cluster.all<Instance>(PREFIX.instances)).map((each) => `${each.slot} ${each.intent.kind}`);
}

async function scaleTo(cluster: ScriptedCluster, count: number): Promise<void> {
  await writeRelease(cluster.view, scriptedApp(SHOP, [exampleService(WEB, { count: 3 })]), 1, { counts: { web: count } });
}

test('S1: a gateway that keeps its lease but never acknowledges is counted out after the unroute timeout, and the stop goes on', async () => {
  const { cluster, ear } = await settled();
  ear.isDeaf = true;
  await scaleTo(cluster, 2);
  await cluster.run(4_500);
  deepEqual(await intents(cluster), ['1 run', '2 run', '3 drain']);
  ok((await cluster.store.get(keyOf.gateway(GATEWAY_2))) !== undefined);
  await cluster.run(4_000);
  deepEqual(await intents(cluster), ['1 run', '2 run']);
  const fence = await cluster.one<GatewayFence>(keyOf.fence(GATEWAY_2));
  equal(fence?.reason, 'it did not acknowledge within 5s that web.3 gets no more requests');
  deepEqual(
    (await cluster.all<Event>(keyOf.eventsOf('gateway/gateway-2'))).map(({ kind, level }) => [kind, level]),
    [['gateway-fenced', 'error']],
  );
});

test('a fenced gateway counts again only when it has acknowledged what it missed', async () => {
  const { cluster, ear } = await settled();
  ear.isDeaf = true;
  await scaleTo(cluster, 2);
  // Long enough for it to find its lease gone and to come back under another, still deaf.
  await cluster.run(20_000);
  ok((await cluster.store.get(keyOf.gateway(GATEWAY_2))) !== undefined);
  await scaleTo(cluster, 1);
  await cluster.run(4_000);
  deepEqual(await intents(cluster), ['1 run']);
  ear.isDeaf = false;
  await cluster.run(5_000);
  equal(await cluster.one<GatewayFence>(keyOf.fence(GATEWAY_2)), undefined);
  deepEqual(
    (await cluster.all<Event>(keyOf.eventsOf('gateway/gateway-2'))).map(({ kind }) => kind),
    ['gateway-fenced', 'gateway-back'],
  );
});

test('a gateway that acknowledges in time is not fenced, nor is one whose instance is not drained yet by a new leader', async () => {
  const { cluster, ear } = await settled();
  await scaleTo(cluster, 2);
  await cluster.run(20_000);
  deepEqual(await cluster.all(PREFIX.fences), []);
  ear.isDeaf = true;
  await scaleTo(cluster, 1);
  await cluster.run(4_000);
  // The new leader has to see the instance drained for the whole timeout itself.
  cluster.end('control-1');
  cluster.control('control-2');
  await cluster.run(4_000);
  deepEqual(await intents(cluster), ['1 run', '2 drain']);
  await cluster.run(4_000);
  deepEqual(await intents(cluster), ['1 run']);
});
