import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, defineApp, HavenError, type WatchItem } from '@haven/sdk';
import type { Name } from '#base/name';
import type { Release } from '#model/app';
import { keyOf } from '#model/keys';
import { MemoryStore } from '#store/memory/memory-store';
import { nodeWorld } from '#world/node/node-world';
import type { Address, NetworkServer } from '#world/world';
import { localView } from '../local-view.ts';
import { startApi } from './server.ts';
import { mintToken, openClusterKey } from './tokens.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const store = new MemoryStore(world);
const ending = new AbortController();
const app = defineApp({ name: 'shop', web: { run: { process: 'node server.js' }, port: 3000, health: '/healthz' } });
/** Of 10 ms each: against a wait that would never end. */
const LONGEST_WAIT_ROUNDS = 3_000;
let directory = '';
let api: NetworkServer;
let token = '';

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'haven-sdk-'));
  api = await start({ host: '127.0.0.1', port: 0 });
  token = mintToken(await openClusterKey(world, join(directory, 'cluster.key')), { kind: 'admin' });
});

after(async () => {
  await api[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

async function start(address: Address): Promise<NetworkServer> {
  return await startApi({ world, store, view: localView(store), directory, address, options: { version: '0' }, signal: ending.signal });
}

function client(given = token) {
  return connect({ address: `http://127.0.0.1:${api.address.port}`, token: given });
}

async function put(key: string, value: unknown): Promise<number> {
  return (await store.transact({ compare: [], then: [{ kind: 'put', key, value: JSON.stringify(value) }] })).revision;
}

function isCode(code: HavenError['code']) {
  return (error: unknown) => error instanceof HavenError && error.code === code;
}

test('a pool is made and waited for', async () => {
  const making = client().createCluster('worker', { nodes: 2, timeoutMs: 5_000 });
  for (const [index, name] of ['worker-1', 'worker-2'].entries()) {
    await put(keyOf.node(name as Name), { name, pool: 'worker', provider: 'local', index: index + 1, labels: {}, power: 'on' });
    await put(keyOf.agent(name as Name), { node: name, address: { host: '127.0.0.1', port: 1 }, capacity: { cpu: 1, memoryBytes: 1 } });
  }
  deepEqual(
    (await making).map(({ name, condition }) => [name, condition]),
    [
      ['worker-1', 'ready'],
      ['worker-2', 'ready'],
    ],
  );
  await rejects(client().createCluster('other', { nodes: 1, timeoutMs: 150 }), isCode('TIMEOUT'));
});

test('a deploy is followed to its result', async () => {
  const plan = await client().plan('shop', { config: app });
  deepEqual([plan.change, plan.services[0]?.change, plan.revision], ['create', 'create', 0]);
  equal(plan.services[0]?.placements[0]?.instance, 'web.1');
  const deploying = client().deployAndWait(app);
  const key = keyOf.release('shop' as Name, 1);
  let stored = await store.get(key);
  for (let i = 0; !stored && i < LONGEST_WAIT_ROUNDS; i++, stored = await store.get(key)) await world.clock.sleep(10);
  await put(key, { ...(JSON.parse(stored?.value ?? '') as Release), outcome: { kind: 'stable', at: 1 } });
  deepEqual(await deploying, { kind: 'result', app: 'shop', release: 1, runs: 1, outcome: 'stable' });
});

test('failures are told apart by code, with what to do next', async () => {
  await rejects(
    client().app('shpo'),
    (error) => error instanceof HavenError && error.code === 'NOT_FOUND' && /"shop"/.test(error.message) && error.next !== undefined,
  );
  await rejects(client('haven_admin_root_x').status(), isCode('UNAUTHENTICATED'));
  await rejects(client().deploy('shop', { config: {} }), (error) => isCode('INVALID')(error) && Array.isArray((error as HavenError).details['issues']));
  await rejects(client().status({ signal: AbortSignal.abort() }), isCode('ABORTED'));
  await rejects(connect({ address: 'http://127.0.0.1:1', token }).status(), isCode('UNAVAILABLE'));
  await using deaf = await world.network.serve({ host: '127.0.0.1', port: 0 }, () => new Promise(() => {}));
  await rejects(connect({ address: `http://127.0.0.1:${deaf.address.port}`, token }).status({ timeoutMs: 100 }), isCode('TIMEOUT'));
});

test('files are uploaded as a stream, once', async () => {
  const artifact = 'sha256-2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';
  const hello = async function* () {
    yield new TextEncoder().encode('hel');
    yield new TextEncoder().encode('lo');
  };
  equal(await client().hasArtifact(artifact), false);
  deepEqual(await client().putArtifact(artifact, hello()), { artifact, sizeBytes: 5, stored: true });
  equal(await client().hasArtifact(artifact), true);
  deepEqual(await client().putArtifact(artifact, new TextEncoder().encode('hello')), { artifact, sizeBytes: 5, stored: false });
});

test('events are followed from the last ones on', async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  for await (const line of client().followEvents({ app: 'shop', tail: 1, signal: stop.signal })) {
    if (line.kind !== 'event') continue;
    seen.push(line.event.kind);
    if (seen.length === 1) await client().scale('shop', 'web', { count: 4 });
    if (seen.length === 2) stop.abort();
  }
  deepEqual(seen, ['deployed', 'scaled']);
  equal((await client().app('shop')).services[0]?.count, 4);
});

test('a watch survives a server that goes and comes back without losing or repeating a change', async () => {
  const stop = new AbortController();
  const seen: WatchItem<number>[] = [];
  const first = await put('/routes/watched/a', 1);
  const reading = (async () => {
    for await (const item of client().watch<number>('/routes/watched/', { signal: stop.signal })) {
      seen.push(item);
      if (item.kind === 'put' && item.value === 3) stop.abort();
    }
  })();
  for (let i = 0; seen.length < 1 && i < LONGEST_WAIT_ROUNDS; i++) await world.clock.sleep(10);
  const second = await put('/routes/watched/b', 2);
  for (let i = 0; seen.length < 2 && i < LONGEST_WAIT_ROUNDS; i++) await world.clock.sleep(10);
  const { address } = api;
  await api[Symbol.asyncDispose]();
  const deleted = (await store.transact({ compare: [], then: [{ kind: 'delete', range: { key: '/routes/watched/a' } }] })).revision;
  api = await start(address);
  const third = await put('/routes/watched/c', 3);
  await reading;
  deepEqual(seen, [
    { kind: 'resync', revision: first, items: [{ key: '/routes/watched/a', value: 1, modRevision: first }] },
    { kind: 'put', revision: second, key: '/routes/watched/b', value: 2, modRevision: second },
    { kind: 'delete', revision: deleted, key: '/routes/watched/a' },
    { kind: 'put', revision: third, key: '/routes/watched/c', value: 3, modRevision: third },
  ]);
});

test('a watch whose history is gone sends everything again', async () => {
  const stop = new AbortController();
  const seen: WatchItem<number>[] = [];
  const reading = (async () => {
    for await (const item of client().watch<number>('/routes/gone/', { signal: stop.signal })) {
      seen.push(item);
      if (seen.length === 2) stop.abort();
    }
  })();
  for (let i = 0; seen.length < 1 && i < LONGEST_WAIT_ROUNDS; i++) await world.clock.sleep(10);
  const { address } = api;
  await api[Symbol.asyncDispose]();
  for (const value of [1, 2, 3]) await put('/routes/gone/a', value);
  const { revision } = await store.status();
  await store.compact(revision);
  api = await start(address);
  await reading;
  deepEqual(seen.at(-1), { kind: 'resync', revision, items: [{ key: '/routes/gone/a', value: 3, modRevision: revision }] });
});

test('a watch that may not be is thrown, not tried for ever', async () => {
  const reading = async () => {
    for await (const item of client().watch('/secrets/')) ok(item);
  };
  await rejects(reading(), isCode('DENIED'));
});
