import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceState } from '#model/app';
import type { Instance } from '#model/instance';
import { keyOf, LEADER_KEY, PREFIX } from '#model/keys';
import { type ClusterOptions, ClusterSimulation, CONTROL, POOL } from './cluster-simulation.ts';
import { unsettled } from './convergence.ts';
import { exampleApp } from './example-app.ts';
import { settle } from './random-scenario.ts';
import { deployed, nodeChanged, poolSized, removed, scaled } from './user-change.ts';

const quiet = { requestEveryMs: 0 };

/** A cluster whose `shop` runs in its first release. */
async function settled(options: Partial<ClusterOptions> = {}, app: Parameters<typeof exampleApp>[0] = {}): Promise<ClusterSimulation> {
  const cluster = new ClusterSimulation({ seed: 7, nodes: 3, gateways: 1, ...quiet, ...options });
  await cluster.start();
  await cluster.operate(deployed(exampleApp(app)));
  await settle(cluster);
  return cluster;
}

/** Every process with its token: equal lists mean that nothing was restarted. */
function processes(cluster: ClusterSimulation): readonly string[] {
  return cluster.processes().map(({ id, host, program }) => `${id} on ${host}: ${program.identity.token}`);
}

function instances(cluster: ClusterSimulation): readonly Instance[] {
  return cluster.history.values<Instance>(PREFIX.instances);
}

function service(cluster: ClusterSimulation): ServiceState | undefined {
  return cluster.history.value<ServiceState>(`${PREFIX.services}shop/web`);
}

function nodeOf(cluster: ClusterSimulation, slot: number): string {
  return instances(cluster).find((instance) => instance.slot === slot)?.node ?? '';
}

test('a rolling deploy, a scale-up, a scale-down and a drain fail no try of any request', async () => {
  const cluster = await settled({ gateways: 2, requestEveryMs: 150 });
  await cluster.operate(deployed(exampleApp({ version: 2 })));
  await settle(cluster);
  await cluster.operate(scaled('shop', 'web', 5));
  await settle(cluster);
  await cluster.operate(scaled('shop', 'web', 2));
  await settle(cluster);
  await cluster.operate(nodeChanged(nodeOf(cluster, 1), { kind: 'drain', reason: 'maintenance' }));
  await settle(cluster);
  deepEqual(cluster.requests.failedTries, []);
  ok(cluster.requests.answered > 100, `${cluster.requests.answered} requests were answered`);
});

test('instances of a node without power are replaced elsewhere, and a node that returns gets none of them back', async () => {
  const cluster = await settled();
  const lost = nodeOf(cluster, 2);
  cluster.crashHost(lost);
  await cluster.until('the lost instance has a ready successor', () => cluster.checkers.readyOf('shop/web').filter(({ node }) => node !== lost).length === 3, {
    limitMs: 25_000,
  });
  cluster.restartHost(lost);
  await settle(cluster);
  ok(instances(cluster).every(({ node }) => node !== lost));
});

test('control away for ten seconds: nothing is restarted, moved or decided', async () => {
  const cluster = await settled();
  const before = { processes: processes(cluster), instances: instances(cluster) };
  cluster.crashHost(CONTROL);
  await cluster.run(10_000);
  cluster.restartHost(CONTROL);
  await cluster.run(40_000);
  deepEqual({ processes: processes(cluster), instances: instances(cluster) }, before);
  deepEqual(unsettled(cluster), []);
});

test('an instance that dies while control is away is started again by its agent', async () => {
  const cluster = await settled();
  cluster.crashHost(CONTROL);
  await cluster.run(1_000);
  const [victim] = cluster.processes();
  ok(victim);
  cluster.signalInstance(victim, 'SIGKILL');
  await cluster.run(5_000);
  equal(cluster.processes().filter(({ id }) => id === victim.id).length, 1);
});

test('a killed agent is followed by one that takes its instances over: nothing is restarted', async () => {
  const cluster = await settled();
  const before = processes(cluster);
  for (const node of cluster.nodeNames) cluster.kept(node).kill();
  await cluster.run(30_000);
  deepEqual(processes(cluster), before);
  deepEqual(unsettled(cluster), []);
});

test('a pid that another program has got meanwhile is neither taken over nor ended', async () => {
  const cluster = await settled();
  const [victim] = cluster.processes();
  ok(victim);
  const host = cluster.host(victim.host);
  cluster.kept(host.name).holdDown();
  await cluster.run(100);
  cluster.signalInstance(victim, 'SIGKILL');
  await cluster.run(100);
  host.setNextPid(victim.program.identity.pid);
  // `app` without an output file: nobody's instance.
  const stranger = host.world.processes.spawn({ command: 'app', args: ['never-listens'], workingDirectory: '/', environment: {} });
  await cluster.run(100);
  cluster.kept(host.name).start();
  await settle(cluster);
  const { identity } = await stranger;
  equal(identity.pid, victim.program.identity.pid);
  deepEqual(
    host.running.filter((program) => program.identity.pid === identity.pid).map((program) => program.identity.token),
    [identity.token],
  );
  equal(cluster.processes().filter(({ id }) => id === victim.id).length, 1);
});

test('a release that never answers is reverted, and the old instances never stop', async () => {
  for (const quality of ['crashes', 'never-listens', 'sick'] as const) {
    const cluster = await settled();
    const before = processes(cluster);
    await cluster.operate(deployed(exampleApp({ version: 2, quality })));
    await settle(cluster);
    const rollout = service(cluster)?.rollout;
    equal(rollout?.phase === 'failed' && rollout.revertTo, 1);
    deepEqual(processes(cluster), before);
  }
});

test('a drained node is empty, stays empty, and its instances run elsewhere', async () => {
  const cluster = await settled();
  const node = nodeOf(cluster, 3);
  await cluster.operate(nodeChanged(node, { kind: 'drain', reason: 'maintenance' }));
  await cluster.until('the node is empty', () => cluster.processes().every(({ host }) => host !== node), { limitMs: 20_000 });
  await settle(cluster);
  await cluster.run(30_000);
  ok(instances(cluster).every((instance) => instance.node !== node));
});

test('a scale-down in the middle of a first rollout ends in a stable release', async () => {
  const cluster = new ClusterSimulation({ seed: 7, nodes: 3, ...quiet });
  await cluster.start();
  await cluster.operate(deployed(exampleApp({ count: 4 })));
  await cluster.until('all are ready', () => cluster.checkers.readyOf('shop/web').length === 4);
  await cluster.operate(scaled('shop', 'web', 2));
  await settle(cluster);
  equal(service(cluster)?.rollout.phase, 'idle');
});

test('a removed app leaves nothing: no process, no instance, no route', async () => {
  const cluster = await settled();
  await cluster.operate(removed('shop'));
  await cluster.until('the app is gone', () => cluster.history.value(keyOf.app('shop' as Instance['app'])) === undefined);
  deepEqual([processes(cluster), instances(cluster), cluster.history.values(PREFIX.routes)], [[], [], []]);
});

test('what no node can take is pending with a reason for every node, and fails the deploy', async () => {
  const cluster = new ClusterSimulation({ seed: 7, nodes: 2, ...quiet });
  await cluster.start();
  await cluster.operate(deployed(exampleApp({ memory: '64Gi' })));
  await cluster.until('the deploy has failed', () => service(cluster)?.rollout.phase === 'failed');
  const pending = service(cluster)?.pending.join(' ') ?? '';
  for (const node of cluster.nodeNames) ok(pending.includes(node), pending);
});

test('a leader that was paused beyond its lease writes nothing when it goes on, and another has led meanwhile', async () => {
  const cluster = await settled({ controls: 2 });
  const [first = ''] = cluster.leaders();
  const epoch = cluster.history.item(LEADER_KEY)?.createRevision ?? 0;
  cluster.kept(first).pause();
  await cluster.until('another leads', () => cluster.leaders().some((name) => name !== first), { limitMs: 30_000 });
  // Something to do for the one that comes back: its picture is that of its own time.
  await cluster.operate(scaled('shop', 'web', 5));
  cluster.kept(first).resume();
  await cluster.run(20_000);
  ok((cluster.history.item(LEADER_KEY)?.createRevision ?? 0) > epoch);
  deepEqual(unsettled(cluster), []);
});

test('what a leader sent before it was replaced and what arrives after that is refused', async () => {
  const cluster = await settled({ controls: 2 });
  const [first = ''] = cluster.leaders();
  cluster.simulation.cut(first, CONTROL);
  // The leader hears of a fourth node and sends its write, which the link holds; the user changes his mind before anybody else leads.
  await cluster.operate(poolSized(POOL, 4));
  await cluster.run(500);
  await cluster.operate(poolSized(POOL, 3));
  await cluster.until('another leads', () => cluster.leaders().some((name) => name !== first), { limitMs: 30_000 });
  cluster.simulation.healAll();
  await cluster.run(10_000);
  equal(cluster.nodeNames.length, 3);
});

test('a leader that is cut off from the store is followed by another, and never are there two', async () => {
  const cluster = await settled({ controls: 2 });
  const [first = ''] = cluster.leaders();
  cluster.simulation.partition([first], [CONTROL]);
  await cluster.until('another leads', () => cluster.leaders().some((name) => name !== first), { limitMs: 30_000 });
  deepEqual(
    cluster.leaders().filter((name) => name === first),
    [],
  );
  cluster.simulation.healAll();
  await cluster.run(20_000);
  equal(cluster.leaders().length, 1);
});

test('an undrain that the leader cannot hear wins over the deadline of the drain', async () => {
  const cluster = await settled({ nodes: 1, controls: 2 }, { count: 1 });
  const before = processes(cluster);
  const node = nodeOf(cluster, 1);
  await cluster.operate(nodeChanged(node, { kind: 'drain', deadlineMs: 30_000, reason: 'maintenance' }));
  // No other node can take the instance: it begins to leave 8 s before the deadline, which is what stopping it may take.
  await cluster.run(20_500);
  const [leader = ''] = cluster.leaders();
  cluster.simulation.cut(CONTROL, leader);
  await cluster.operate(nodeChanged(node, { kind: 'undrain' }));
  await cluster.run(20_000);
  cluster.simulation.healAll();
  await settle(cluster);
  deepEqual(processes(cluster), before);
});

test('nodes cut off from control keep what runs, and get it back when the cut ends', async () => {
  const cluster = await settled({ nodes: 2 }, { count: 2 });
  const before = processes(cluster);
  cluster.simulation.partition([...cluster.nodeNames, 'gateway-1'], [CONTROL]);
  await cluster.run(60_000);
  deepEqual(processes(cluster), before);
  cluster.simulation.healAll();
  await settle(cluster);
});
