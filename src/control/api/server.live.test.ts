import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ArtifactView, ErrorBody, NodeView, StatusView } from '@haven/sdk';
import { hasCode } from '#base/errors';
import type { Name } from '#base/name';
import { keyOf } from '#model/keys';
import type { Node } from '#model/node';
import { nodeWorld } from '#world/node/node-world';
import { localView } from '../local-view.ts';
import { RemoteView } from '../remote-view.ts';
import type { Principal } from './access.ts';
import { startApi } from './server.ts';
import { TestApi } from './test-api.ts';
import { instanceOf } from './test-instance.ts';
import { ClusterKey, mintToken, openClusterKey } from './tokens.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const served = await TestApi.start(world);
const { store, directory, key, client, server: api } = served;
const put = (key: string, value: unknown) => served.put(key, value);
const ending = new AbortController();

after(() => served[Symbol.asyncDispose]());

/** With headers that fetch would not let us choose. */
async function rawStatus(headers: Readonly<Record<string, string>>, path = '/healthz'): Promise<number> {
  const answered = Promise.withResolvers<number>();
  const request = httpRequest({ host: '127.0.0.1', port: api.address.port, path, headers, agent: false }, (response) => {
    response.resume();
    answered.resolve(response.statusCode ?? 0);
  });
  request.once('error', answered.reject).end();
  return await answered.promise;
}

test('nothing but the health check is answered without a token of this cluster', async () => {
  equal((await fetch(`http://127.0.0.1:${api.address.port}/healthz`)).status, 200);
  for (const path of ['/v1/status', '/metrics', '/openapi.json', '/v1/store/list?prefix=/apps/', '/nowhere']) {
    equal((await fetch(`http://127.0.0.1:${api.address.port}${path}`)).status, 401, path);
  }
  equal(await client.refusal('/v1/status', { headers: { authorization: 'Bearer haven_admin_root_1234' } }), '401 UNAUTHENTICATED');
  equal(await client.refusal('/v1/status', { headers: { authorization: 'Basic eDp5' } }), '401 UNAUTHENTICATED');
});

test('a token of another cluster is called stale and says what to do', async () => {
  const stale = mintToken(new ClusterKey(new Uint8Array(32)), { kind: 'admin' });
  const { value } = await client.ask<ErrorBody>('/v1/status', { headers: { authorization: `Bearer ${stale}` } });
  match(value.error.message, /stale token/);
  ok(value.error.next);
  const changed = mintToken(key, { kind: 'node', name: 'worker-1' as Name }).replace('worker-1', 'worker-2');
  equal(await client.refusal('/v1/status', { headers: { authorization: `Bearer ${changed}` } }), '401 UNAUTHENTICATED');
});

test('the cluster key is 32 bytes for the owner only, and the same at the next start', async () => {
  const path = join(directory, 'cluster.key');
  const facts = await stat(path);
  deepEqual([facts.size, facts.mode & 0o777], [32, 0o600]);
  equal(mintToken(await openClusterKey(world, path), { kind: 'admin' }), mintToken(key, { kind: 'admin' }));
  equal(JSON.stringify({ key }), '{"key":"[redacted]"}');
  await writeFile(`${path}.short`, 'x', { mode: 0o600 });
  await rejects(openClusterKey(world, `${path}.short`), (error) => hasCode(error, 'CORRUPT'));
});

test('a browser that was led here by another name or from another page is refused', async () => {
  const authorization = `Bearer ${mintToken(key, { kind: 'admin' })}`;
  const host = `127.0.0.1:${api.address.port}`;
  equal(await rawStatus({ host }), 200);
  equal(await rawStatus({ host: `localhost:${api.address.port}`, authorization }, '/v1/status'), 200);
  equal(await rawStatus({ host: 'evil.example' }), 403);
  equal(await rawStatus({ host: '127.0.0.1.evil.example', authorization }, '/v1/status'), 403);
  equal(await rawStatus({ host, origin: 'http://evil.example', authorization }, '/v1/status'), 403);
  equal(await rawStatus({ host, origin: 'null', authorization }, '/v1/status'), 403);
  equal(await rawStatus({ host, origin: `http://${host}`, authorization }, '/v1/status'), 200);
});

test('an address that others can reach is refused at the start', async () => {
  const start = startApi({
    world,
    store,
    view: localView(store),
    directory,
    address: { host: '0.0.0.0', port: 0 },
    options: { version: '0' },
    signal: ending.signal,
  });
  await rejects(start, (error) => hasCode(error, 'UNSUPPORTED'));
  const taken = startApi({ world, store, view: localView(store), directory, address: api.address, options: { version: '0' }, signal: ending.signal });
  await rejects(taken, (error) => hasCode(error, 'LOCKED'));
});

test('refusals have the status of their code, a sentence, and the id of the request', async () => {
  equal(await client.refusal('/v1/nowhere'), '404 NOT_FOUND');
  equal(await client.refusal('/v1/apps/none'), '404 NOT_FOUND');
  equal(await client.refusal('/v1/apps/No_Name'), '400 INVALID');
  equal(await client.refusal('/v1/pools/worker', { method: 'PUT', body: { nodes: -1 } }), '400 INVALID');
  equal(await client.refusal('/v1/pools/worker', { method: 'PUT', body: { nodes: 1, more: 1 } }), '400 INVALID');
  equal(await client.refusal('/v1/events?limit=0'), '400 INVALID');
  equal(await client.refusal('/v1/apps/shop/plan', { body: 'x'.repeat(1_100_000) }), '413 TOO_LARGE');
  equal(await client.refusal('/v1/apps/shop/plan', { body: { config: JSON.parse('{"__proto__":{"a":1}}') } }), '400 INVALID');
  const broken = await fetch(`http://127.0.0.1:${api.address.port}/v1/apps/shop/plan`, {
    method: 'POST',
    headers: { authorization: `Bearer ${mintToken(key, { kind: 'admin' })}`, 'content-type': 'application/json' },
    body: '{',
  });
  const body = (await broken.json()) as ErrorBody;
  deepEqual([broken.status, body.error.code, broken.headers.get('x-request-id')], [400, 'INVALID', body.error.requestId ?? '']);
});

test('a pool is made, changed, and asked to go', async () => {
  equal((await client.ask('/v1/pools/worker', { method: 'PUT', body: { nodes: 3 } })).status, 201);
  equal((await client.ask('/v1/pools/worker', { method: 'PUT', body: { nodes: 3 } })).status, 200);
  equal((await client.ask('/v1/pools/worker', { method: 'PUT', body: { nodes: 4 } })).status, 201);
  deepEqual((await client.ask('/v1/pools/worker', { method: 'DELETE' })).value, { name: 'worker', provider: 'local', nodes: 4, readyNodes: 0, removing: true });
  equal(await client.refusal('/v1/pools/worker', { method: 'PUT', body: { nodes: 1 } }), '409 CONFLICT');
  const { value } = await client.ask<ErrorBody>('/v1/pools/wroker', { method: 'DELETE' });
  match(value.error.message, /did you mean "worker"/);
});

test('nodes are cordoned, drained with a deadline, and switched', async () => {
  const node: Node = { name: 'worker-9' as Name, pool: 'worker' as Name, provider: 'local', index: 9, labels: {}, power: 'on' };
  await put(keyOf.node(node.name), node);
  const drained = await client.ask<NodeView>('/v1/nodes/worker-9/drain', { body: { deadlineMs: 60_000 } });
  ok(drained.value.cordon && drained.value.drain);
  equal(drained.value.drain.deadline - drained.value.drain.since, 60_000);
  equal(await client.refusal('/v1/nodes/worker-9/uncordon', { body: {} }), '409 CONFLICT');
  const sooner = await client.ask<NodeView>('/v1/nodes/worker-9/drain', { body: { deadlineMs: 0 } });
  ok((sooner.value.drain?.deadline ?? 0) < drained.value.drain.deadline);
  const { drain, cordon } = (await client.ask<NodeView>('/v1/nodes/worker-9/undrain', { body: {} })).value;
  deepEqual([drain, cordon], [undefined, undefined]);
  equal((await client.ask<NodeView>('/v1/nodes/worker-9/power', { body: { power: 'off' } })).value.power, 'off');
  equal(await client.refusal('/v1/nodes/worker-8/cordon', { body: {} }), '404 NOT_FOUND');
  const { value: events } = await client.ask<readonly { readonly kind: string }[]>('/v1/events?object=node/worker-9');
  deepEqual(
    events.map((event) => event.kind),
    ['drain', 'drain', 'undrain', 'power'],
  );
});

test('nodes and gateways write their own facts only, and do nothing of an administrator', async () => {
  const node: Principal = { kind: 'node', name: 'worker-1' as Name };
  const gateway: Principal = { kind: 'gateway', name: 'gateway-1' as Name };
  const { id } = instanceOf('again', 'worker-1');
  await put(keyOf.instance(id), instanceOf('again', 'worker-1'));
  const foreign = { ...instanceOf('foreign', 'worker-2'), id: 'foreign.web.1-1' };
  await put(keyOf.instance(foreign.id as typeof id), foreign);
  const write = (as: Principal, key: string, value: unknown = {}) =>
    client.refusal('/v1/store/write', { as, body: { writes: [{ kind: 'put', key, value: JSON.stringify(value) }] } });
  for (const [as, key, value] of [
    [node, '/agents/worker-2', {}],
    [node, '/apps/again', {}],
    [node, '/statuses/foreign.web.1-1', { id: 'foreign.web.1-1', node: 'worker-1' }],
    [node, '/statuses/again.web.1-1', { id, node: 'worker-2' }],
    [node, '/statuses/never.web.1-1', { id: 'never.web.1-1', node: 'worker-1' }],
    [node, '/events/node/worker-2/1', {}],
    [node, '/events/instance/foreign.web.1-1/1', {}],
    [node, '/leader', {}],
    [gateway, '/gateways/gateway-2', {}],
    [gateway, '/routes/again/web', {}],
    [gateway, '/agents/worker-1', {}],
    [{ kind: 'admin' }, '/secrets/A', {}],
    [{ kind: 'admin' }, '/leader', {}],
    [{ kind: 'agent-api', name: 'worker-1' as Name }, '/agents/worker-1', {}],
  ] as const) {
    equal(await write(as, key, value), '403 DENIED', `${as.kind} ${key}`);
  }
  const view = new RemoteView(world, { address: api.address, token: mintToken(key, node) });
  await view.write([
    { kind: 'put', key: '/agents/worker-1', value: '{"node":"worker-1"}' },
    { kind: 'put', key: `/statuses/${id}`, value: JSON.stringify({ id, node: 'worker-1', phase: 'running' }) },
    { kind: 'put', key: '/events/node/worker-1/1', value: '{"object":"node/worker-1","at":1}' },
  ]);
  for (const prefix of ['', '/', '/s', '/secrets/', '/secrets/A']) await rejects(view.list(prefix), (error) => hasCode(error, 'DENIED'), prefix);
  equal(await client.refusal('/v1/status', { as: node }), '403 DENIED');
  equal(await client.refusal('/v1/apps/again', { as: gateway, method: 'DELETE' }), '403 DENIED');
  equal(await client.refusal('/v1/pools/worker', { as: node, method: 'PUT', body: { nodes: 9 } }), '403 DENIED');
  await view.write([
    { kind: 'delete', key: '/agents/worker-1' },
    { kind: 'delete', key: `/statuses/${id}` },
  ]);
});

test('a secret is sealed in the store and shown only to a node that runs an instance with it', async () => {
  equal((await client.ask('/v1/secrets/PASSWORD', { method: 'PUT', body: { value: 'hunter2 äöü' } })).status, 200);
  ok(!(await store.get('/secrets/PASSWORD'))?.value.includes('hunter2'));
  deepEqual(
    (await client.ask<readonly { readonly name: string }[]>('/v1/secrets')).value.map(({ name }) => name),
    ['PASSWORD'],
  );
  const path = '/v1/instances/again.web.1-1/secrets';
  const node: Principal = { kind: 'node', name: 'worker-1' as Name };
  const instance = instanceOf('again', 'worker-1', { secrets: ['PASSWORD'] });
  await put(keyOf.instance(instance.id), instance);
  deepEqual((await client.ask(path, { as: node })).value, { values: { PASSWORD: 'hunter2 äöü' } });
  equal(await client.refusal(path, { as: { kind: 'node', name: 'worker-2' as Name } }), '403 DENIED');
  equal(await client.refusal('/v1/instances/none.web.1-1/secrets', { as: node }), '403 DENIED');
  equal(await client.refusal(path), '403 DENIED');
  await put(keyOf.instance(instance.id), { ...instance, secrets: ['PASSWORD', 'UNSET'] });
  equal(await client.refusal(path, { as: node }), '404 NOT_FOUND');
  equal(await client.refusal('/v1/secrets/not-a-variable', { method: 'PUT', body: { value: 'x' } }), '400 INVALID');
  // Swapped for another name in the store, it does not open.
  const sealed = (await store.get('/secrets/PASSWORD'))?.value ?? '';
  await store.transact({ compare: [], then: [{ kind: 'put', key: '/secrets/UNSET', value: sealed }] });
  equal(await client.refusal(path, { as: node }), '500 CORRUPT');
  equal((await client.ask('/v1/secrets/PASSWORD', { method: 'DELETE' })).status, 200);
  equal(await client.refusal('/v1/secrets/PASSWORD', { method: 'DELETE' }), '404 NOT_FOUND');
});

test('an artifact is stored only under its own digest, once, and comes back byte by byte', async () => {
  const bytes = Uint8Array.from({ length: 700_001 }, (_, index) => (index * 7) % 251);
  const artifact = `sha256-${createHash('sha256').update(bytes).digest('hex')}`;
  const path = `/v1/artifacts/${artifact}`;
  equal((await client.ask(path, { method: 'HEAD' })).status, 404);
  equal(await client.refusal(`/v1/artifacts/sha256-${'0'.repeat(64)}`, { method: 'PUT', body: bytes }), '400 INVALID');
  equal(await client.refusal('/v1/artifacts/..%2f..%2fcluster.key'), '400 INVALID');
  deepEqual((await client.ask<ArtifactView>(path, { method: 'PUT', body: bytes })).value, { artifact, sizeBytes: bytes.length, stored: true });
  equal((await client.ask<ArtifactView>(path, { method: 'PUT', body: bytes })).value.stored, false);
  equal((await client.ask(path, { method: 'HEAD' })).status, 200);
  const response = await fetch(`http://127.0.0.1:${api.address.port}${path}`, {
    headers: { authorization: `Bearer ${mintToken(key, { kind: 'node', name: 'worker-1' as Name })}` },
  });
  deepEqual(new Uint8Array(await response.arrayBuffer()), bytes);
  deepEqual(await readdir(join(directory, 'artifacts')), [artifact]);
  deepEqual(new Uint8Array(await readFile(join(directory, 'artifacts', artifact))), bytes);
});

test('the status is whole, and metrics count what was asked', async () => {
  const { value } = await client.ask<StatusView>('/v1/status');
  ok(value.attention.length > 0 && value.pools.length > 0 && value.nodes.length > 0);
  const metrics = await fetch(`http://127.0.0.1:${api.address.port}/metrics`, { headers: { authorization: `Bearer ${mintToken(key, { kind: 'admin' })}` } });
  const text = await metrics.text();
  match(text, /haven_api_requests_total\{method="GET",route="\/v1\/status",status="200"\} \d+/);
  match(text, /haven_resident_memory_bytes \d+/);
});

test('every row of the API is in its description', async () => {
  const { value } = await client.ask<{ readonly paths: Readonly<Record<string, unknown>> }>('/openapi.json');
  ok(value.paths['/v1/apps/{app}/deploy']);
  ok(Object.keys(value.paths).length > 25);
});

test('a watch over the API ends when the server stops, and the server stops in time', async () => {
  const other = await startApi({
    world,
    store,
    view: localView(store),
    directory,
    address: { host: '127.0.0.1', port: 0 },
    options: { version: '0' },
    signal: ending.signal,
  });
  const view = new RemoteView(world, { address: other.address, token: mintToken(key, { kind: 'admin' }) });
  const { revision } = await store.status();
  const reading = (async () => {
    for await (const batch of view.watch('/apps/', { fromRevision: revision + 1, signal: new AbortController().signal })) ok(batch);
  })();
  const following = rejects(reading, (error) => hasCode(error, 'UNAVAILABLE'));
  await world.clock.sleep(50);
  const startedAt = world.clock.now();
  await other[Symbol.asyncDispose]();
  ok(world.clock.now() - startedAt < 4_000, 'it does not wait for who watches');
  await following;
});
