import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hasCode } from '#base/errors';
import type { Name } from '#base/name';
import type { ViewBatch } from '#model/store-view';
import { MemoryStore } from '#store/memory/memory-store';
import { nodeWorld } from '#world/node/node-world';
import type { NetworkServer } from '#world/world';
import type { Principal } from './api/access.ts';
import { StoreHandler } from './api/store-handler.ts';
import { localView } from './local-view.ts';
import { RemoteView } from './remote-view.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const store = new MemoryStore(world);
const principals: Record<string, Principal> = {
  'Bearer admin': { kind: 'admin' },
  'Bearer node': { kind: 'node', name: 'worker-1' as Name },
};
const handler = new StoreHandler(world, {
  store,
  view: localView(store),
  authenticate: ({ authorization }) => principals[authorization ?? ''] ?? principals['Bearer admin'] ?? { kind: 'admin' },
});
let server: NetworkServer;

before(async () => {
  server = await world.network.serve({ host: '127.0.0.1', port: 0 }, (request) => handler.serveStore(request));
});

after(async () => {
  await server[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
});

function remote(token = 'admin'): RemoteView {
  return new RemoteView(world, { address: server.address, token });
}

test('what one view writes another lists, with the same revisions as in the store', async () => {
  const revision = await remote().write([{ kind: 'put', key: '/pools/a', value: '{"größe":1}', expected: 0 }]);
  deepEqual(await remote().list('/pools/'), {
    items: [{ key: '/pools/a', value: '{"größe":1}', modRevision: revision, createRevision: revision }],
    revision,
  });
});

test('errors of the store keep their code and facts on the way', async () => {
  await rejects(
    remote().write([{ kind: 'delete', key: '/pools/none', expected: 7 }]),
    (error) => hasCode(error, 'CONFLICT') && Array.isArray(error.details['keys']),
  );
  await rejects(remote().keepLease('never-granted'), (error) => hasCode(error, 'LEASE_LOST') || hasCode(error, 'NOT_FOUND'));
  await rejects(remote('node').write([{ kind: 'put', key: '/agents/worker-2', value: '{}' }]), (error) => hasCode(error, 'DENIED'));
  await rejects(remote().list('/'), (error) => hasCode(error, 'DENIED'));
  await rejects(remote().write([]), (error) => hasCode(error, 'INVALID'));
});

test('a watch replays from its revision, follows, and ends with its signal', async () => {
  const stop = new AbortController();
  const first = await remote().write([{ kind: 'put', key: '/apps/one', value: '1' }]);
  const seen: ViewBatch[] = [];
  const reading = (async () => {
    for await (const batch of remote().watch('/apps/', { fromRevision: first, signal: stop.signal })) {
      // A batch without events says only how far the watch is.
      if (batch.events.length > 0) seen.push(batch);
      if (seen.length === 2) stop.abort();
    }
  })();
  const second = await remote().write([{ kind: 'delete', key: '/apps/one' }]);
  await reading;
  deepEqual(
    seen.map((batch) => [batch.revision, batch.events[0]?.kind]),
    [
      [first, 'put'],
      [second, 'delete'],
    ],
  );
  // The server hears of the end, too.
  for (let i = 0; handler.watchers > 0 && i < 3_000; i++) await world.clock.sleep(10);
  equal(handler.watchers, 0);
});

test('a watch from a discarded revision ends with COMPACTED', async () => {
  const revision = await remote().write([{ kind: 'put', key: '/apps/two', value: '1' }]);
  await store.compact((await store.status()).revision);
  const { signal } = new AbortController();
  const reading = async () => {
    for await (const batch of remote().watch('/apps/', { fromRevision: revision - 1, signal })) ok(batch);
  };
  await rejects(reading(), (error) => hasCode(error, 'COMPACTED'));
});

test('a lease of the other side is kept, lost and said to be lost', async () => {
  const lease = await remote().grantLease(600);
  await remote().write([{ kind: 'put', key: '/gateways/g', value: '{}', lease }]);
  await remote().keepLease(lease);
  await remote().revokeLease(lease);
  equal((await remote().list('/gateways/')).items.length, 0);
  await rejects(remote().keepLease(lease), (error) => hasCode(error, 'LEASE_LOST') || hasCode(error, 'NOT_FOUND'));
});

test('a server that accepts and never answers is TIMEOUT, one that is gone UNAVAILABLE', async () => {
  await using deaf = await world.network.serve({ host: '127.0.0.1', port: 0 }, () => new Promise(() => {}));
  const view = new RemoteView(world, { address: deaf.address, token: 'x', timeoutMs: 100 });
  await rejects(view.list('/apps/'), (error) => hasCode(error, 'TIMEOUT'));
  const { address } = await unused();
  await rejects(new RemoteView(world, { address, token: 'x' }).list('/apps/'), (error) => hasCode(error, 'UNAVAILABLE'));
});

test('a call ends with the reason of its own signal', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await rejects(remote().list('/apps/', { signal }), (error) => error instanceof Error);
});

async function unused() {
  const free = await world.network.serve({ host: '127.0.0.1', port: 0 }, () => new Promise(() => {}));
  await free[Symbol.asyncDispose]();
  return free;
}
