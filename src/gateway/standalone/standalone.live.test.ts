import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import { steadyLoad } from '../fixture-load.ts';
import { pause, RawClient, startBackend, until } from '../live-fixture.ts';
import { allPass, fileWith, get, nameIn, startStandalone } from './standalone-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const quick = { http: '/ready', interval: '200ms', rise: 1, fall: 1 };

test('reloads under load fail nothing: backends come and go, the policy and the listeners change, and what stays keeps its counts', async () => {
  await using a = await startBackend({ name: 'a' });
  await using b = await startBackend({ name: 'b' });
  await using c = await startBackend({ name: 'c' });
  const at = (backend: { readonly port: number }) => `127.0.0.1:${backend.port}`;
  const with3 = { backends: [at(a), at(b), at(c)], check: quick, slowStart: '0s' };
  await using gateway = await startStandalone(world, fileWith(with3));
  await allPass(gateway, 3);
  const load = steadyLoad({ address: gateway.address, ratePerSecond: 300, postShare: 0.2 });
  // What the status says of the answers of `a`, which every file below keeps: up to a second old, never less than before.
  const counts: number[] = [];
  const look = async (): Promise<number> => {
    const { services } = await gateway.status();
    const count = services['gateway/web']?.backends.find(({ address }) => address === at(a))?.answers ?? 0;
    counts.push(count);
    return count;
  };
  await until(async () => (await look()) > 0, 'answers of a are counted');
  for (const [service, more] of [
    [{ ...with3, balance: 'peak-ewma' }, {}],
    [{ ...with3, backends: [at(c), at(a)], balance: 'least-request' }, {}],
    [with3, { listen: ['127.0.0.1:0', '127.0.0.2:0'] }],
    [{ ...with3, balance: 'hash?on=path', backends: [at(a), { address: at(b), drain: true }, at(c)] }, {}],
    [with3, {}],
  ] as const) {
    gateway.file.value = fileWith(service, more);
    await gateway.reload();
    await pause(200);
    await look();
  }
  const { bodies, failures } = await load.stop();
  deepEqual(failures, []);
  const answered = bodies.filter((body) => (JSON.parse(body) as { name: string }).name === 'a').length;
  await until(async () => (await look()) === answered, `all ${answered} answers of a are counted, of before the reloads too`);
  deepEqual(
    counts,
    counts.toSorted((one, other) => one - other),
  );
});

test('a reload that is wrong changes nothing and tells why; the same file again is the same revision', async () => {
  await using a = await startBackend({ name: 'a' });
  const good = fileWith({ backends: [`127.0.0.1:${a.port}`] });
  await using gateway = await startStandalone(world, good);
  const { revision } = await gateway.reload();
  for (const [bad, why] of [
    [{ ...good, routes: [{ service: 'wbe' }] }, /routes\.0\.service is "wbe", but there are only web/],
    [{ ...good, listen: ['127.0.0.1:0', `127.0.0.1:${gateway.admin.port}`] }, /another program listens there/],
  ] as const) {
    gateway.file.value = bad;
    await rejects(gateway.reload(), { message: why });
    const answer = await fetch(`http://127.0.0.1:${gateway.admin.port}/reload`, { method: 'POST', headers: { 'haven-admin': '1' } });
    equal(answer.status, 400);
    match(((await answer.json()) as { error: { message: string } }).error.message, why);
    equal((await get(gateway.address)).status, 200);
  }
  gateway.file.value = { ...good, workers: 2 };
  deepEqual(await gateway.reload(), {
    revision,
    services: 1,
    backends: 1,
    warnings: ['"workers" has changed, which takes effect with the next start or upgrade only'],
  });
  const ofAPage = await fetch(`http://127.0.0.1:${gateway.admin.port}/reload`, { method: 'POST' });
  deepEqual(
    [ofAPage.status, await ofAPage.text()],
    [403, 'only with a field "haven-admin", as "haven gateway reload" and "upgrade" send it\n'],
    'not for a web page',
  );
});

test('a file that is wrong does not start', async () => {
  await rejects(startStandalone(world, fileWith({ backends: [] })), { code: 'INVALID', message: /services\.web\.backends must have at least one backend/ });
});

test('stopping ends what is in flight', async () => {
  await using a = await startBackend({ name: 'a' });
  const gateway = await startStandalone(world, fileWith({ backends: [`127.0.0.1:${a.port}`] }));
  const slow = get(gateway.address, {}, '/?wait=400');
  await pause(100);
  await gateway.stop();
  equal((await slow).status, 200);
});

test('who asks too often gets 429 and when to come again, on a connection that goes on', async () => {
  await using a = await startBackend({ name: 'a' });
  await using gateway = await startStandalone(world, fileWith({ backends: [`127.0.0.1:${a.port}`], rateLimit: { rate: '2/s', burst: 2 } }));
  const client = new RawClient(gateway.address);
  client.send('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\n');
  const text = await client.receive(/429 Too Many Requests[\s\S]*too many requests\n/);
  equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, 2);
  match(text, /Retry-After: 1\r\n/);
  await pause(600);
  client.send('GET /4 HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.receive(/"url":"\/4"/);
  client.close();
});

test('a cookie binds a client to its backend, says nothing of it, and binds anew when the backend is gone', async () => {
  await using a = await startBackend({ name: 'a' });
  await using b = await startBackend({ name: 'b' });
  const ports = [a.port, b.port].map((port) => `127.0.0.1:${port}`);
  await using gateway = await startStandalone(world, fileWith({ backends: ports, balance: 'sticky?cookie=bound', check: quick }));
  await allPass(gateway, 2);
  const first = await get(gateway.address);
  const [line = ''] = first.headers['set-cookie'] ?? [];
  match(line, /^bound=[0-9a-f]{16}; Path=\/; HttpOnly; SameSite=Lax$/);
  const cookie = `other=1; ${line.split(';', 1)[0]}`;
  for (let i = 0; i < 6; i++) {
    const next = await get(gateway.address, { cookie });
    equal(nameIn(next), nameIn(first));
    equal(next.headers['set-cookie'], undefined);
  }
  (nameIn(first) === 'a' ? a : b).child.kill('SIGKILL');
  const after = await get(gateway.address, { cookie });
  ok(nameIn(after) !== nameIn(first) && after.headers['set-cookie'] !== undefined);
});

test('hashing sends a key to one backend and spreads keys over all', async () => {
  await using a = await startBackend({ name: 'a' });
  await using b = await startBackend({ name: 'b' });
  await using c = await startBackend({ name: 'c' });
  const ports = [a.port, b.port, c.port].map((port) => `127.0.0.1:${port}`);
  await using gateway = await startStandalone(world, fileWith({ backends: ports, balance: 'hash?on=header:x-user', check: quick }));
  await allPass(gateway, 3);
  const homes = new Set<string>();
  for (let user = 0; user < 20; user++) {
    const names = new Set<string>();
    for (let i = 0; i < 3; i++) names.add(nameIn(await get(gateway.address, { 'X-User': `user-${user}` })));
    equal(names.size, 1);
    for (const name of names) homes.add(name);
  }
  equal(homes.size, 3);
});

test('limits of a service: bodies, time to answer, requests in flight and waiting (R-11, R-12, R-29)', async () => {
  await using a = await startBackend({ name: 'a' });
  const limits = { body: '1Ki', inFlight: 1, waiting: 1 };
  await using gateway = await startStandalone(world, fileWith({ backends: [`127.0.0.1:${a.port}`], limits, timeouts: { answer: '600ms' }, retries: 0 }));
  const body = new RawClient(gateway.address);
  body.send(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n${'x'.repeat(2_000)}`);
  match(await body.receive(/\r\n\r\n/), /^HTTP\/1\.1 413 /);
  body.close();
  const chunked = new RawClient(gateway.address);
  chunked.send(`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n${'x'.repeat(2_000)}\r\n0\r\n\r\n`);
  match(await chunked.receive(/\r\n\r\n/), /^HTTP\/1\.1 413 /);
  chunked.close();
  equal((await get(gateway.address, {}, '/?wait=2000')).status, 504);
  // One is served, one waits for it, one is too many.
  const first = get(gateway.address, {}, '/?wait=400');
  await pause(100);
  const second = get(gateway.address, {}, '/second');
  await pause(50);
  const third = await get(gateway.address, {}, '/third');
  deepEqual([third.status, (await first).status, (await second).status], [503, 200, 200]);
});

test('a backend that comes while others serve gets its share slowly (R-24)', async () => {
  await using a = await startBackend({ name: 'a' });
  await using b = await startBackend({ name: 'b' });
  await using c = await startBackend({ name: 'c' });
  const ports = [a.port, b.port, c.port].map((port) => `127.0.0.1:${port}`);
  // A machine that is slow for a while neither makes the others young again nor the young one old.
  const service = { check: { ...quick, timeout: '10s' }, slowStart: '10m' };
  await using gateway = await startStandalone(world, fileWith({ ...service, backends: ports.slice(0, 2) }));
  await allPass(gateway, 2);
  gateway.file.value = fileWith({ ...service, backends: ports });
  await gateway.reload();
  await allPass(gateway, 3);
  const names: string[] = [];
  for (let i = 0; i < 100; i++) names.push(nameIn(await get(gateway.address)));
  const young = names.filter((name) => name === 'c').length;
  ok(young >= 2 && young <= 12, `the young one got ${young} of 100`);
});

test('under peak EWMA a backend that fails fast is asked once and then left alone; under round robin it gets every third request', async () => {
  await using a = await startBackend({ name: 'a' });
  await using b = await startBackend({ name: 'b' });
  const failing = createServer((asked, response) => response.writeHead(asked.url === '/ready' ? 200 : 500).end());
  await new Promise<void>((resolve) => failing.listen(0, '127.0.0.1', resolve));
  const bound = failing.address();
  const ports = [a.port, b.port, typeof bound === 'object' && bound !== null ? bound.port : 0];
  // Only the policy decides: nobody is ejected, or out because this machine has no time for its checks.
  const ejection = { failures: 0, errors: 0, slower: 0 };
  const service = { backends: ports.map((port) => `127.0.0.1:${port}`), check: { ...quick, timeout: '10s' }, slowStart: '0s', ejection };
  await using gateway = await startStandalone(world, fileWith(service));
  await allPass(gateway, 3);
  // One after the other: requests that come at once are dealt out before the first of them has failed.
  const failuresOf = async (requests: number) => {
    let failures = 0;
    for (let i = 0; i < requests; i++) if ((await get(gateway.address)).status === 500) failures++;
    return failures;
  };
  const inTurns = await failuresOf(60);
  // A failure counts as more than any answer can take, however busy the machine is.
  gateway.file.value = fileWith({ ...service, balance: 'peak-ewma?penalty=1h&decay=1h' });
  await gateway.reload();
  const byLatency = await failuresOf(60);
  failing.closeAllConnections();
  failing.close();
  equal(inTurns, 20);
  ok(byLatency <= 1, `${byLatency} of 60`);
});

test('a backend with an IPv6 address is asked with a Host that strict servers take, and is told as it is written', async (t) => {
  const hosts = new Set<string | undefined>();
  const server = createServer((request, response) => {
    hosts.add(request.headers.host);
    response.end('fine');
  });
  const isBound = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(0, '::1', () => resolve(true));
  });
  if (!isBound) {
    t.skip('this machine has no IPv6 loopback address');
    return;
  }
  const bound = server.address();
  const written = `[::1]:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
  {
    await using gateway = await startStandalone(world, fileWith({ backends: [written], check: quick }));
    await allPass(gateway, 1);
    const { services } = await gateway.status();
    deepEqual(
      services['gateway/web']?.backends.map(({ name, address }) => [name, address]),
      [[written, written]],
    );
    deepEqual([...hosts], [written]);
  }
  server.closeAllConnections();
  server.close();
});
