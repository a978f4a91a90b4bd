import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Route } from '#model/route';
import { nodeWorld } from '#world/node/node-world';
import { backendAt, type LiveGateway, pause, RawClient, routeTo, startBackend, startGateway, until } from './live-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });

/** A backend in this process that answers `/ready` with 200 and everything else as it is told. */
async function scripted(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<{ readonly port: number } & Disposable> {
  const server = createServer((request, response) => {
    request.resume();
    if (request.url === '/ready') response.end('ready');
    else request.on('end', () => answer(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function startBefore(ports: readonly number[], changes: Partial<Route> = {}, accessLog = false): Promise<LiveGateway> {
  const backends = ports.map((port, index) => backendAt(index + 1, port));
  const gateway = await startGateway(world, { routes: [routeTo(backends, changes)], gateway: { accessLog } });
  await until(() => Object.values(gateway.status()?.backends ?? {}).filter(({ health }) => health === 'passing').length === ports.length, 'all pass');
  return gateway;
}

/** One request on a connection of its own; the whole answer. */
async function ask(gateway: LiveGateway, text: string): Promise<string> {
  const client = new RawClient(gateway.address);
  const [head = '', body = ''] = text.split('\n\n');
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  client.send(`${head.replaceAll('\n', '\r\n')}\r\nHost: x\r\n${length}Connection: close\r\n\r\n${body}`);
  const answer = await client.ended();
  client.close();
  return answer;
}

async function metric(gateway: LiveGateway, pattern: RegExp): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text();
  return page
    .split('\n')
    .filter((line) => !line.startsWith('#') && pattern.test(line))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

async function logOf(gateway: LiveGateway, lines: number): Promise<readonly Record<string, unknown>[]> {
  const read = async () => (await readFile(join(gateway.directory, 'access-1.log'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  await until(async () => (await read()).length >= lines, `${lines} lines are written`);
  return (await read()).map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('answers of 503 are passed on unless the service asks for another try, and then only of what may be repeated (R-08, R-09)', async () => {
  let posts = 0;
  using busy = await scripted((request, response) => {
    if (request.method === 'POST') posts++;
    response.writeHead(503, { 'content-type': 'text/plain', 'x-from': 'busy' }).end('come again');
  });
  await using well = await startBackend({ name: 'well' });
  await using gateway = await startBefore([busy.port, well.port], { settings: { ejection: { failures: 0 } } });
  const statuses = async (text: string) => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(gateway, text)));
    return [...new Set(answers.map((answer) => answer.slice(9, 12)))].sort();
  };
  deepEqual(await statuses('GET / HTTP/1.1'), ['200', '503']);
  const backends = [backendAt(1, busy.port), backendAt(2, well.port)];
  await gateway.setRoute(routeTo(backends, { settings: { ejection: { failures: 0 }, retryOn: ['503'] } }));
  deepEqual(await statuses('GET / HTTP/1.1'), ['200']);
  ok((await metric(gateway, /retries_total\{.*reason="status"/)) >= 2);
  posts = 0;
  deepEqual(await statuses('POST / HTTP/1.1\n\nbody'), ['200', '503'], 'a POST is not repeated');
  ok(posts > 0 && posts < 8, String(posts));
  const refused = await until503(async () => await ask(gateway, 'POST / HTTP/1.1\n\nbody'));
  match(refused, /x-from: busy[\s\S]*come again/i, 'the backend’s own answer is passed on');
  await gateway.setRoute(routeTo(backends, { settings: { ejection: { failures: 0 }, retryOn: ['503'], trustsIdempotencyKey: true } }));
  deepEqual(await statuses('POST / HTTP/1.1\nIdempotency-Key: "k1"\n\nbody'), ['200'], 'with a key that its service trusts it is');
  deepEqual(await statuses('POST / HTTP/1.1\n\nbody'), ['200', '503'], 'without one not');
});

async function until503(request: () => Promise<string>): Promise<string> {
  for (let i = 0; i < 10; i++) {
    const answer = await request();
    if (answer.startsWith('HTTP/1.1 503')) return answer;
  }
  throw new Error('no answer of 503 in ten');
}

test('when no try is left the last answer of a backend is passed on, not one of the gateway', async () => {
  using one = await scripted((_request, response) => response.writeHead(503, { 'x-from': 'one' }).end('one'));
  using two = await scripted((_request, response) => response.writeHead(503, { 'x-from': 'two' }).end('two'));
  await using gateway = await startBefore([one.port, two.port], { settings: { ejection: { failures: 0 }, retryOn: ['503'], maxTries: 2 } });
  const answer = await ask(gateway, 'GET / HTTP/1.1');
  match(answer, /^HTTP\/1\.1 503[\s\S]*x-from: (?:one|two)[\s\S]*\n(?:one|two)\r/i);
  ok(!answer.includes('Proxy-Status'));
  equal(await metric(gateway, /retries_total\{.*reason="status"/), 1);
});

test('a backend that breaks off its answers is taken out, though every head of them is good (R-20)', async () => {
  using breaking = await scripted((_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half of it');
    setTimeout(() => response.socket?.resetAndDestroy(), 5);
  });
  await using a = await startBackend({ name: 'a' });
  await using b = await startBackend({ name: 'b' });
  await using gateway = await startBefore([breaking.port, a.port, b.port]);
  let cut = 0;
  for (let i = 0; i < 60; i++) if (!(await ask(gateway, 'GET / HTTP/1.1')).includes('"name"')) cut++;
  equal(cut, 5);
  equal(await metric(gateway, /ejections_total\{.*reason="failures"/), 1);
});

test('a backend that answers all but its check slower than its peers is taken out (R-20)', async () => {
  using slow = await scripted((_request, response) => void setTimeout(() => response.end('slow'), 150));
  await using a = await startBackend({ name: 'a', delayMs: 5 });
  await using b = await startBackend({ name: 'b', delayMs: 5 });
  await using gateway = await startBefore([slow.port, a.port, b.port], { balance: 'round-robin' });
  for (let round = 0; round < 40 && (await metric(gateway, /ejections_total\{.*reason="slow"/)) === 0; round++) {
    await Promise.all(Array.from({ length: 12 }, () => ask(gateway, 'GET / HTTP/1.1')));
  }
  equal(await metric(gateway, /ejections_total\{.*reason="slow"/), 1);
  const answers = await Promise.all(Array.from({ length: 12 }, () => ask(gateway, 'GET / HTTP/1.1')));
  ok(answers.every((answer) => !answer.includes('slow')));
  const report = gateway.status()?.backends[backendAt(1, 0).id];
  deepEqual([report?.health, report?.reason], ['failing', 'even its quick answers are far slower than those of its peers']);
});

test('a rate limit tells what is left, and refuses at once with when to come again', async () => {
  await using backend = await startBackend();
  await using gateway = await startBefore([backend.port], { rateLimit: { ratePerSecond: 0.5, burst: 3, per: 'client' } });
  const answers: string[] = [];
  for (let i = 0; i < 4; i++) answers.push(await ask(gateway, 'GET / HTTP/1.1'));
  deepEqual(
    answers.map((answer) => [answer.slice(9, 12), /RateLimit-Limit: (\d+)/.exec(answer)?.[1], /RateLimit-Remaining: (\d+)/.exec(answer)?.[1]]),
    [
      ['200', '3', '2'],
      ['200', '3', '1'],
      ['200', '3', '0'],
      ['429', '3', '0'],
    ],
  );
  match(answers[3] ?? '', /Proxy-Status: haven; error=http_request_denied[\s\S]*Retry-After: [12]\r\n/);
  equal(await metric(gateway, /rate_limited_total/), 1);
});

test('beyond what backends may have and what may wait, the answer is 503 at once and counts against nobody (R-29)', async () => {
  await using backend = await startBackend({ delayMs: 400 });
  await using gateway = await startBefore([backend.port], { settings: { maxInFlight: 1, maxWaiting: 1 } });
  const [first, second] = [ask(gateway, 'GET /1 HTTP/1.1'), pause(50).then(() => ask(gateway, 'GET /2 HTTP/1.1'))];
  await pause(150);
  const refused = await ask(gateway, 'GET /3 HTTP/1.1');
  match(refused, /^HTTP\/1\.1 503[\s\S]*error=connection_limit_reached[\s\S]*Retry-After: 1\r\n/);
  match(await first, /^HTTP\/1\.1 200/);
  match(await second, /^HTTP\/1\.1 200/);
  deepEqual(
    [await metric(gateway, /overflows_total/), await metric(gateway, /backend_failures_total/), await metric(gateway, /queue_seconds_count/)],
    [1, 0, 1],
  );
});

test('the access log tells who ended a request and in which phase (R-34)', async () => {
  using odd = await scripted((request, response) => {
    if (request.url === '/cut') {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setTimeout(() => response.socket?.resetAndDestroy(), 10);
    } else if (request.url === '/empty') response.socket?.destroy();
    else if (request.url === '/never') return;
    else response.end('fine');
  });
  await using gateway = await startBefore([odd.port], { matches: [{ host: 'x', path: '/' }], settings: { answerTimeoutMs: 300, maxTries: 1 } }, true);
  await ask(gateway, 'GET /fine HTTP/1.1');
  await ask(gateway, 'POST /fine HTTP/1.1\n\n12345');
  await ask(gateway, 'GET /cut HTTP/1.1');
  await ask(gateway, 'GET /empty HTTP/1.1');
  await ask(gateway, 'GET /never HTTP/1.1');
  const leaving = new RawClient(gateway.address);
  leaving.send('GET /never HTTP/1.1\r\nHost: x\r\n\r\n');
  await pause(100);
  leaving.close();
  for (const text of ['GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 'GET /no HTTP/1.1\r\nHost: nobody\r\nConnection: close\r\n\r\n']) {
    const client = new RawClient(gateway.address);
    client.send(text);
    await client.ended();
    client.close();
  }
  const lines = await logOf(gateway, 8);
  deepEqual(
    lines.map(({ method, path, status, end, bytesIn, tries, service }) => [method, path, status, end, bytesIn, tries, service].join(' ')),
    [
      'GET /fine 200 -- 0 1 shop/web',
      'POST /fine 200 -- 5 1 shop/web',
      'GET /cut 200 SD 0 1 shop/web',
      'GET /empty 502 SH 0 1 shop/web',
      'GET /never 504 sH 0 1 shop/web',
      'GET /never 499 CH 0 1 shop/web',
      '  400 PR 0 0 ',
      'GET /no 404 PR 0 0 ',
    ],
  );
  equal(await metric(gateway, /unrouted_total/), 1);
});

test('a try that fails at the only backend waits before it is made again there, and the request is not lost', async () => {
  let asked = 0;
  using shaky = await scripted((_request, response) => {
    if (++asked === 1) response.socket?.destroy();
    else response.end('second time');
  });
  await using gateway = await startBefore([shaky.port]);
  const startedAt = performance.now();
  match(await ask(gateway, 'GET / HTTP/1.1'), /second time/);
  ok(performance.now() - startedAt > 900, 'not at once');
  equal(asked, 2);
});

test('where a service sets a time for the whole request, it ends whatever it waits for by then; event streams only begin within it (R-11)', async () => {
  using slow = await scripted((request, response) => {
    if (request.url === '/never') return;
    response.writeHead(200, { 'content-type': request.url === '/events' ? 'text/event-stream' : 'text/plain' });
    const drip = setInterval(() => response.write('x'), 100);
    response.on('close', () => clearInterval(drip));
    if (request.url === '/events')
      setTimeout(() => {
        clearInterval(drip);
        response.end('last');
      }, 1_200);
  });
  const settings = { totalTimeoutMs: 500, maxTries: 1 };
  await using gateway = await startBefore([slow.port], { matches: [{ host: 'x', path: '/' }], settings }, true);
  const startedAt = performance.now();
  match(
    await ask(gateway, 'GET /never HTTP/1.1'),
    /^HTTP\/1\.1 504[\s\S]*Proxy-Status: haven; error=http_response_timeout; details="the request took longer than its service allows"/,
  );
  ok(performance.now() - startedAt >= 490);
  const dripped = await ask(gateway, 'GET /drip HTTP/1.1');
  ok(dripped.startsWith('HTTP/1.1 200') && !dripped.endsWith('0\r\n\r\n'), 'the client sees that it is not whole');
  match(await ask(gateway, 'GET /events HTTP/1.1'), /last\r\n0\r\n\r\n$/);
  equal(await metric(gateway, /backend_failures_total/), 1, 'who does not begin an answer in time has failed');
  await gateway.setRoute(routeTo([], { matches: [{ host: 'x', path: '/' }], settings }));
  match(await ask(gateway, 'GET / HTTP/1.1'), /^HTTP\/1\.1 504/);
  const lines = await logOf(gateway, 4);
  deepEqual(
    lines.map(({ path, status, end }) => [path, status, end].join(' ')),
    ['/never 504 sH', '/drip 200 sD', '/events 200 --', '/ 504 sQ'],
  );
});

test('how long clients wait for the head of their answer is told apart from how long the whole takes (R-34)', async () => {
  using slow = await scripted((_request, response) => {
    response.write('first');
    setTimeout(() => response.end('last'), 600);
  });
  await using gateway = await startBefore([slow.port]);
  match(await ask(gateway, 'GET / HTTP/1.1'), /last/);
  deepEqual([await metric(gateway, /first_byte_seconds_count\{service="shop\/web"\}/), await metric(gateway, /request_duration_seconds_count/)], [1, 1]);
  const [first, whole] = [await metric(gateway, /first_byte_seconds_sum/), await metric(gateway, /request_duration_seconds_sum/)];
  ok(whole - first >= 0.5, `${first} s to the head, ${whole} s in all`);
});
