import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import type { Name } from '#base/name';
import type { App, Release, ServiceState } from '#model/app';
import type { Event } from '#model/event';
import { exampleService } from '#model/example-service';
import type { Instance } from '#model/instance';
import { keyOf, LEADER_KEY, PREFIX } from '#model/keys';
import type { Node } from '#model/node';
import type { Route } from '#model/route';
import type { Revision, Store, Transaction } from '#store/store';
import { Simulation } from '#world/simulated/simulation';
import type { Instant } from '#world/world';
import { LeaderWriter, putJson } from './leader-writer.ts';
import { Term } from './leadership.ts';
import { ScriptedCluster } from './scripted-cluster.ts';
import { scriptedApp, writePool, writeRelease } from './scripted-parts.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const name = (text: string): Name => text as Name;
const WEB = scriptedApp(name('shop'), [exampleService(name('web')), exampleService(name('api'), { count: 1 })]);

function newCluster(seed: number): ScriptedCluster {
  return new ScriptedCluster(new Simulation({ seed, drain }));
}

/** A cluster with a pool of two, a gateway and the app of two services, settled. */
async function settled(seed = 1, store?: (cluster: ScriptedCluster) => Store): Promise<ScriptedCluster> {
  const cluster = newCluster(seed);
  cluster.control('control-1', store?.(cluster));
  await writePool(cluster.view, name('worker'), 2);
  for (const node of ['worker-1', 'worker-2']) cluster.agent(node);
  cluster.gateway('gateway-1');
  await cluster.run(5_000);
  await writeRelease(cluster.view, WEB, 1);
  await cluster.run(15_000);
  return cluster;
}

test('a pool becomes nodes, a release becomes instances, routes and an outcome', async () => {
  const cluster = await settled();
  deepEqual(
    (await cluster.all<Node>(PREFIX.nodes)).map((node) => [node.name, node.index, node.power]),
    [
      ['worker-1', 1, 'on'],
      ['worker-2', 2, 'on'],
    ],
  );
  deepEqual(await cluster.instances(), ['shop.api.1-1 r1 worker-1 run', 'shop.web.1-1 r1 worker-2 run', 'shop.web.2-2 r1 worker-1 run']);
  equal((await cluster.one<Release>(keyOf.release(name('shop'), 1)))?.outcome.kind, 'stable');
  const route = await cluster.one<Route>(keyOf.route(name('shop'), name('web')));
  deepEqual(
    route?.backends.map((backend) => [backend.name, backend.state, backend.tier]),
    [
      ['web.1', 'active', 'primary'],
      ['web.2', 'active', 'primary'],
    ],
  );
  const web = (await cluster.all<Instance>(PREFIX.instances)).find((each) => each.service === 'web');
  deepEqual(web?.environment, { API_URL: 'http://127.0.0.1:7801' });
  deepEqual((await cluster.one<ServiceState>(keyOf.service(name('shop'), name('web'))))?.pending, []);
  const events = await cluster.all<Event>(keyOf.eventsOf('service/shop/web'));
  deepEqual(
    events.map((event) => event.kind),
    ['placed', 'placed', 'routed', 'routed', 'rollout-succeeded'],
  );
});

test('a settled cluster is left alone: nothing is written in ten minutes', async () => {
  let writes = 0;
  const cluster = await settled(1, ({ store }) => counting(store, () => writes++));
  const before = writes;
  await cluster.run(600_000);
  equal(writes, before);
});

test('an update replaces every instance, and a release that fails is reverted with its cause', async () => {
  const cluster = newCluster(3);
  cluster.control('control-1');
  await writePool(cluster.view, name('worker'), 2);
  for (const node of ['worker-1', 'worker-2']) cluster.agent(node, (instance) => instance.release === 3);
  cluster.gateway('gateway-1');
  await writeRelease(cluster.view, WEB, 1);
  await cluster.run(30_000);
  const changed = (command: string) =>
    scriptedApp(name('shop'), [exampleService(name('web'), { run: { kind: 'process', command: [command] } }), exampleService(name('api'), { count: 1 })]);
  await writeRelease(cluster.view, changed('new'), 2);
  await cluster.run(60_000);
  const after2 = ['shop.api.1-1 r2 worker-1 run', 'shop.web.1-3 r2 worker-2 run', 'shop.web.2-4 r2 worker-1 run'];
  deepEqual((await cluster.instances()).map(withoutNode), after2.map(withoutNode));
  const routed = (await cluster.all<Event>(PREFIX.events)).flatMap(({ kind, message }) => (kind === 'routed' ? [message] : []));
  ok(routed.includes('route: shop.web.1-1 draining, shop.web.1-3, web.2'), routed.join('\n'));
  await writeRelease(cluster.view, changed('broken'), 3);
  await cluster.run(60_000);
  deepEqual((await cluster.instances()).map(withoutNode), ['shop.api.1-1 r3 run', 'shop.web.1-3 r2 run', 'shop.web.2-4 r2 run']);
  const release = await cluster.one<Release>(keyOf.release(name('shop'), 3));
  ok(release?.outcome.kind === 'reverted');
  equal(release.outcome.to, 2);
  equal(release.outcome.cause.code, 'exited');
  deepEqual(release.outcome.cause.output, ['Error: boom']);
});

test('R12: with the scope of the app one failing service takes all of them back', async () => {
  const cluster = newCluster(5);
  cluster.control('control-1');
  await writePool(cluster.view, name('worker'), 2);
  for (const node of ['worker-1', 'worker-2']) cluster.agent(node, (instance) => instance.release === 2 && instance.service === 'web');
  cluster.gateway('gateway-1');
  const app = (command: string) => {
    const changes = { count: 1, run: { kind: 'process' as const, command: [command] as const } };
    return { ...scriptedApp(name('shop'), [exampleService(name('web'), changes), exampleService(name('api'), changes)]), revertScope: 'app' as const };
  };
  await writeRelease(cluster.view, app('old'), 1);
  await cluster.run(30_000);
  await writeRelease(cluster.view, app('new'), 2);
  await cluster.run(60_000);
  equal((await cluster.one<App>(keyOf.app(name('shop'))))?.release, 1);
  equal((await cluster.one<Release>(keyOf.release(name('shop'), 2)))?.outcome.kind, 'reverted');
  deepEqual(
    new Set((await cluster.all<Instance>(PREFIX.instances)).map((each) => `${each.service} ${each.spec.run.command[0]} ${each.intent.kind}`)),
    new Set(['api old run', 'web old run']),
  );
  deepEqual(new Set((await cluster.all<ServiceState>(PREFIX.services)).map((each) => JSON.stringify(each.rollout))), new Set(['{"phase":"idle","release":1}']));
});

test('N3, N8: a node whose agent is silent is lost when its lease ends, and its instances run elsewhere', async () => {
  const cluster = await settled();
  cluster.end('worker-2');
  await cluster.run(9_000);
  equal((await cluster.all<Instance>(PREFIX.instances)).length, 3);
  await cluster.run(15_000);
  deepEqual(await cluster.instances(), [
    'shop.api.1-1 r1 worker-1 run',
    'shop.web.1-1 r1 worker-2 stop',
    'shop.web.1-3 r1 worker-1 run',
    'shop.web.2-2 r1 worker-1 run',
  ]);
  const kinds = (await cluster.all<Event>(keyOf.eventsOf('node/worker-2'))).map((event) => event.kind);
  deepEqual(kinds, ['node-created', 'node-suspect', 'node-lost']);
});

test('N8: a new leader declares nobody lost before one lease and grace have passed', async () => {
  const cluster = await settled();
  cluster.end('control-1');
  await cluster.run(100);
  cluster.end('worker-2');
  await cluster.run(20_000);
  cluster.control('control-2');
  await cluster.run(14_000);
  equal((await cluster.all<Instance>(PREFIX.instances)).length, 3);
  await cluster.run(5_000);
  equal((await cluster.all<Instance>(PREFIX.instances)).length, 4);
});

test('a pool that shrinks drains its highest node first, and the node goes when its agent is gone', async () => {
  const cluster = await settled();
  await writePool(cluster.view, name('worker'), 1);
  await cluster.run(30_000);
  deepEqual(
    (await cluster.instances()).map((each) => each.split(' ')[2]),
    ['worker-1', 'worker-1', 'worker-1'],
  );
  equal((await cluster.one<Node>(keyOf.node(name('worker-2'))))?.power, 'removed');
  cluster.end('worker-2');
  await cluster.run(15_000);
  equal(await cluster.one<Node>(keyOf.node(name('worker-2'))), undefined);
});

test('a lost node that its pool gives up is removed with what was on it', async () => {
  const cluster = await settled();
  cluster.end('worker-2');
  await cluster.run(30_000);
  await writePool(cluster.view, name('worker'), 1);
  await cluster.run(5_000);
  deepEqual(
    (await cluster.all<Node>(PREFIX.nodes)).map((node) => node.name),
    ['worker-1'],
  );
  deepEqual(
    (await cluster.instances()).map((each) => each.split(' ')[2]),
    ['worker-1', 'worker-1', 'worker-1'],
  );
});

test('rm leaves no key of the app', async () => {
  const cluster = await settled();
  const app = await cluster.one<App>(keyOf.app(name('shop')));
  await cluster.view.write([{ kind: 'put', key: keyOf.app(name('shop')), value: JSON.stringify({ ...app, removing: true }) }]);
  await cluster.run(30_000);
  const { items } = await cluster.view.list('/');
  deepEqual(
    items.map((item) => item.key).filter((key) => key.includes('shop')),
    [],
  );
});

test('two controls: one leads, the other takes over when it stops, with a higher epoch', async () => {
  const cluster = await settled();
  cluster.control('control-2');
  await cluster.run(5_000);
  const first = await cluster.store.get(LEADER_KEY);
  equal(JSON.parse(first?.value ?? '').identity, 'control-1');
  cluster.end('control-1');
  await cluster.run(1_000);
  const second = await cluster.store.get(LEADER_KEY);
  equal(JSON.parse(second?.value ?? '').identity, 'control-2');
  ok((second?.createRevision ?? 0) > (first?.createRevision ?? 0));
});

test('a control that starts again under its identity leads at once', async () => {
  const cluster = await settled();
  cluster.simulation.host('control-1').crash();
  cluster.simulation.host('control-1').restart();
  cluster.control('control-1');
  await cluster.run(500);
  await writeRelease(cluster.view, WEB, 1, { counts: { web: 3 } });
  await cluster.run(5_000);
  equal((await cluster.all<Instance>(PREFIX.instances)).length, 4);
});

test('N2: a leader paused beyond its lease writes nothing when it goes on', async () => {
  const accepted: { readonly atMs: number; readonly keys: string[] }[] = [];
  const cluster = await settled(1, ({ store, simulation }) =>
    watched(store, (keys) => {
      accepted.push({ atMs: simulation.nowMs, keys });
    }),
  );
  cluster.simulation.host('control-1').pause();
  const pausedAtMs = cluster.simulation.nowMs;
  await cluster.run(1);
  cluster.control('control-2');
  await cluster.run(20_000);
  cluster.simulation.host('control-1').resume();
  await writeRelease(cluster.view, WEB, 1, { counts: { web: 4 } });
  await cluster.run(20_000);
  equal((await cluster.all<Instance>(PREFIX.instances)).length, 5);
  deepEqual(
    accepted.filter(({ atMs, keys }) => atMs > pausedAtMs && keys.some((key) => key !== LEADER_KEY)),
    [],
  );
});

test('W1: even a leader that believes in its term changes nothing once another has taken over', async () => {
  const { simulation, store } = newCluster(1);
  const { world } = simulation.host('control-1');
  const key = (epoch: Revision) => new Term(world, { epoch, deadline: Number.POSITIVE_INFINITY as Instant });
  const take = async () => (await store.transact({ compare: [], then: [{ kind: 'put', key: LEADER_KEY, value: '{}' }] })).revision;
  const old = new LeaderWriter(store, key(await take()));
  equal(await old.write({ compare: [], operations: [putJson('/nodes/a', 1)] }), true);
  await store.transact({ compare: [], then: [{ kind: 'delete', range: { key: LEADER_KEY } }] });
  const current = new LeaderWriter(store, key(await take()));
  equal(await current.write({ compare: [], operations: [putJson('/nodes/a', 2)] }), true);
  await rejects(old.write({ compare: [], operations: [putJson('/nodes/a', 3)] }), (error) => hasCode(error, 'LEASE_LOST'));
  equal((await store.get('/nodes/a'))?.value, '2');
});

test('C1: no plan is made on a look older than the last own write', async () => {
  let refused = 0;
  const cluster = await settled(1, ({ store, simulation }) => {
    const { clock } = simulation.host('control-1').world;
    const late = lagging(store, () => clock.sleep(400));
    return {
      ...late,
      async transact(transaction, options) {
        const result = await late.transact(transaction, options);
        if (!result.succeeded) refused++;
        return result;
      },
    };
  });
  await writeRelease(cluster.view, WEB, 1, { counts: { web: 6 } });
  await cluster.run(20_000);
  equal((await cluster.all<Instance>(PREFIX.instances)).length, 7);
  equal(refused, 0);
});

test('the same seed makes the same history, key by key', async () => {
  const first = await history(11);
  deepEqual(await history(11), first);
  ok(first.length > 30);
});

test('an object that cannot be reconciled stops no other', async () => {
  const cluster = newCluster(1);
  cluster.control('control-1');
  await writePool(cluster.view, name('worker'), 1);
  cluster.agent('worker-1');
  const broken = { app: 'broken', number: 1, spec: { services: { web: null } }, outcome: { kind: 'rolling' } };
  await cluster.view.write([
    { kind: 'put', key: keyOf.release(name('broken'), 1), value: JSON.stringify(broken) },
    { kind: 'put', key: keyOf.app(name('broken')), value: JSON.stringify({ name: 'broken', release: 1, counts: {}, removing: false, activeSlots: {} }) },
  ]);
  await writeRelease(cluster.view, WEB, 1);
  await cluster.run(20_000);
  equal((await cluster.one<Release>(keyOf.release(name('shop'), 1)))?.outcome.kind, 'stable');
  const events = await cluster.all<Event>(keyOf.eventsOf('app/broken'));
  deepEqual(
    events.map((event) => event.kind),
    ['control-error'],
  );
});

async function history(seed: number): Promise<string[]> {
  const cluster = await settled(seed);
  cluster.end('worker-1');
  await cluster.run(20_000);
  const { items } = await cluster.view.list('/');
  return items.map((item) => `${item.modRevision} ${item.key} ${item.value}`);
}

function withoutNode(line: string): string {
  return line.replace(/ worker-\d+/, '');
}

/** The store, telling of every transaction that was asked for. */
function counting(store: Store, onWrite: () => void): Store {
  return observed(store, (transaction) => {
    if (transaction.then.some((operation) => operation.kind !== 'read')) onWrite();
  });
}

/** The store, telling the keys of every transaction that was accepted. */
function watched(store: Store, onAccepted: (keys: string[]) => void): Store {
  return observed(store, undefined, (transaction) =>
    onAccepted(
      transaction.then.flatMap((operation) =>
        operation.kind === 'put' ? [operation.key] : operation.kind === 'delete' && 'key' in operation.range ? [operation.range.key] : [],
      ),
    ),
  );
}

/** The store, its watches hearing of everything late. */
function lagging(store: Store, pause: () => Promise<void>): Store {
  return {
    ...observed(store),
    watch(range, options) {
      const batches = store.watch(range, options);
      return (async function* () {
        for await (const batch of batches) {
          await pause();
          yield batch;
        }
      })();
    },
  };
}

function observed(store: Store, onAsked?: (transaction: Transaction) => void, onAccepted?: (transaction: Transaction) => void): Store {
  return {
    get: (key, options) => store.get(key, options),
    list: (range, options) => store.list(range, options),
    watch: (range, options) => store.watch(range, options),
    grantLease: (durationMs) => store.grantLease(durationMs),
    keepLease: (id) => store.keepLease(id),
    revokeLease: (id) => store.revokeLease(id),
    leaseStatus: (id) => store.leaseStatus(id),
    compact: (revision) => store.compact(revision),
    status: () => store.status(),
    async transact(transaction, options) {
      onAsked?.(transaction);
      const result = await store.transact(transaction, options);
      if (result.succeeded) onAccepted?.(transaction);
      return result;
    },
  };
}
