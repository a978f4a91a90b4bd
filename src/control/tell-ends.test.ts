import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '#base/name';
import type { Event } from '#model/event';
import { exampleService } from '#model/example-service';
import type { InstanceId, InstanceStatus } from '#model/instance';
import { keyOf } from '#model/keys';
import { Simulation } from '#world/simulated/simulation';
import type { UnixMs } from '#world/world';
import { readState } from './api/cluster-state.ts';
import { whyView } from './api/why-view.ts';
import { ScriptedCluster } from './scripted-cluster.ts';
import { scriptedApp, writePool, writeRelease } from './scripted-parts.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const ID = 'shop.web.1-1' as InstanceId;
const REASON = 'ended by SIGKILL';

async function settled(): Promise<ScriptedCluster> {
  const cluster = new ScriptedCluster(new Simulation({ seed: 3, drain }));
  cluster.control('control-1');
  await writePool(cluster.view, 'worker' as Name, 1);
  cluster.agent('worker-1');
  cluster.gateway('gateway-1');
  await cluster.run(5_000);
  await writeRelease(cluster.view, scriptedApp('shop' as Name, [exampleService('web' as Name, { count: 1 })]), 1);
  await cluster.run(15_000);
  return cluster;
}

/** What an agent reports when an attempt has ended and the next one runs already. */
async function restart(cluster: ScriptedCluster, attempt: number): Promise<void> {
  const status = await cluster.one<InstanceStatus>(keyOf.status(ID));
  const lastEnd = { attempt: attempt - 1, at: 5 as UnixMs, reason: REASON };
  await cluster.view.write([{ kind: 'put', key: keyOf.status(ID), value: JSON.stringify({ ...status, attempt, restarts: attempt - 1, lastEnd }) }]);
  await cluster.run(3_000);
}

async function told(cluster: ScriptedCluster): Promise<string[]> {
  const events = await cluster.all<Event>(keyOf.eventsOf(`instance/${ID}`));
  return events.filter(({ kind }) => kind === 'exited').map(({ message }) => message);
}

test('a restart is told once for each attempt, with its reason, by whichever leader there is', async () => {
  const cluster = await settled();
  deepEqual(await told(cluster), []);
  await restart(cluster, 2);
  deepEqual(await told(cluster), [`attempt 1 on worker-1 is over: ${REASON}`]);
  cluster.end('control-1');
  cluster.control('control-2');
  await cluster.run(60_000);
  deepEqual(await told(cluster), [`attempt 1 on worker-1 is over: ${REASON}`]);
  await restart(cluster, 3);
  deepEqual(await told(cluster), [`attempt 1 on worker-1 is over: ${REASON}`, `attempt 2 on worker-1 is over: ${REASON}`]);
});

test('why says of an instance that runs again why it was restarted', async () => {
  const cluster = await settled();
  await restart(cluster, 2);
  const state = await readState({ world: cluster.simulation.host('reader').world, store: cluster.store });
  const { reasons } = await whyView({ state, store: cluster.store }, 'web.1');
  deepEqual(reasons.at(-1), { message: `Attempt 1 is over, so it was started again: ${REASON}`, at: 5, next: 'haven logs shop/web.1' });
});
