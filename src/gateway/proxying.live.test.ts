import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import { backendAt, type Echo, type LiveBackend, type LiveGateway, pause, RawClient, routeTo, startBackend, startGateway, until } from './live-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
let backend: LiveBackend;
let gateway: LiveGateway;

before(async () => {
  backend = await startBackend({ name: 'one' });
  gateway = await startGateway(world, { routes: [routeTo([backendAt(1, backend.port)])] });
});

after(async () => {
  await gateway[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

async function ask(
  options: { path?: string; method?: string; headers?: Record<string, string>; body?: Buffer | AsyncIterable<Buffer> } = {},
): Promise<{ status: number; text: string; headers: string[] }> {
  const answer = Promise.withResolvers<{ status: number; text: string; headers: string[] }>();
  const request = httpRequest({ ...gateway.address, path: options.path ?? '/', method: options.method ?? 'GET', headers: options.headers ?? {}, agent: false });
  request.on('error', answer.reject);
  request.on('response', (response) => {
    const parts: Buffer[] = [];
    response.on('data', (part: Buffer) => parts.push(part));
    response.on('error', answer.reject);
    response.on('end', () => answer.resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString(), headers: response.rawHeaders }));
  });
  if (options.body === undefined) request.end();
  else if (Buffer.isBuffer(options.body)) request.end(options.body);
  else {
    for await (const part of options.body) request.write(part);
    request.end();
  }
  return await answer.promise;
}

/** A backend that answers each connection with exact bytes. */
async function scriptedBackend(script: (socket: Socket, received: string) => void): Promise<{ port: number; connections: () => number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    let received = '';
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (data) => {
      received += data.toString('latin1');
      script(socket, received);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('requests are serialised anew: what a client says of itself is replaced (R-14)', async () => {
  const { status, text } = await ask({
    path: '/a?b=c',
    headers: { 'X-Forwarded-For': '6.6.6.6', x_forwarded_for: '6.6.6.6', 'X-Real-IP': '6.6.6.6', 'Keep-Alive': 'x', 'X-Mine': 'kept', Host: 'shop.test' },
  });
  equal(status, 200);
  const { headers, url } = JSON.parse(text) as Echo;
  equal(url, '/a?b=c');
  const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${headers[i + 1]}`] : []));
  deepEqual(
    pairs.filter((pair) => !/^x-request-id|^connection/i.test(pair)),
    [
      'X-Mine: kept',
      'Host: shop.test',
      'X-Forwarded-Host: shop.test',
      'X-Forwarded-For: 127.0.0.1',
      'X-Real-IP: 127.0.0.1',
      'X-Forwarded-Proto: http',
      `X-Forwarded-Port: ${gateway.address.port}`,
      'Via: 1.1 haven',
    ],
  );
  match(pairs.find((pair) => pair.startsWith('X-Request-Id')) ?? '', /^X-Request-Id: [0-9a-f]{22}$/);
});

test('one connection carries many requests, and pipelined ones are answered in order', async () => {
  const client = new RawClient(gateway.address);
  client.send(['/1?wait=30', '/2', '/3?wait=10'].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
  const text = await client.receive('/3?wait=10');
  deepEqual(
    [...text.matchAll(/"url":"([^"]+)"/g)].map((hit) => hit[1]),
    ['/1?wait=30', '/2', '/3?wait=10'],
  );
  client.send('GET /4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  match(await client.ended(), /"url":"\/4"/);
  client.close();
});

test('bodies of any size arrive whole, with a length or chunked, both ways', async () => {
  for (const size of [0, 1, 1_000, 70_000, 1_500_000]) {
    const body = Buffer.alloc(size, 'abcdefghij');
    const sha = createHash('sha1').update(body).digest('hex');
    const whole = JSON.parse((await ask({ method: 'POST', body, headers: { 'Content-Length': String(size) } })).text) as Echo;
    deepEqual([whole.bytes, whole.sha], [size, sha]);
    const parts = (async function* () {
      for (let at = 0; at < size; at += 9_999) {
        yield body.subarray(at, at + 9_999);
        if (at % 2 === 0) await pause(1);
      }
    })();
    const chunked = JSON.parse((await ask({ method: 'PUT', body: parts })).text) as Echo;
    deepEqual([chunked.bytes, chunked.sha], [size, sha]);
  }
  const { text, headers } = await ask({ path: '/chunked' });
  equal(text, 'first second');
  ok(headers.join(' ').toLowerCase().includes('transfer-encoding chunked'));
});

test('an HTTP/1.0 client gets a body without chunks and the end of its connection', async () => {
  const client = new RawClient(gateway.address);
  client.send('GET /chunked HTTP/1.0\r\n\r\n');
  const text = await client.ended();
  match(text, /^HTTP\/1\.1 200 OK\r\n/);
  match(text, /Connection: close\r\n/);
  ok(text.endsWith('\r\n\r\nfirst second'));
  ok(!/transfer-encoding/i.test(text));
  client.close();
});

test('HEAD has the length of the body and no body', async () => {
  const client = new RawClient(gateway.address);
  client.send('HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const text = await client.ended();
  match(text, /^HTTP\/1\.1 200 OK\r\n[^{]*Content-Length: \d+\r\n\r\nHTTP\/1\.1 200 OK/);
  client.close();
});

test('a WebSocket is tunnelled both ways, and early bytes are not lost', async () => {
  const client = new RawClient(gateway.address);
  client.send(
    'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nearly',
  );
  const head = await client.receive('early');
  match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  match(head, /Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/);
  client.send('x'.repeat(500_000));
  await until(() => client.received.length >= head.length + 500_000, 'the echo comes back whole');
  client.close();
});

test('h2c is never tunnelled: the request is answered as a plain one', async () => {
  const client = new RawClient(gateway.address);
  client.send('GET /h2c HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n');
  const text = await client.receive('"url":"/h2c"');
  match(text, /^HTTP\/1\.1 200 OK/);
  ok(!/"(?:upgrade|http2-settings)"/i.test(text));
  client.close();
});

test('Expect: 100-continue is answered by the backend before the body is sent', async () => {
  const client = new RawClient(gateway.address);
  client.send('POST /expect HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
  await client.receive('HTTP/1.1 100 Continue\r\n\r\n');
  client.send('hello');
  match(await client.receive('"bytes":5'), /HTTP\/1\.1 200 OK/);
  client.close();
});

test('an answer before the end of the request closes the connection, and nothing of the rest becomes a request (R-07)', async () => {
  await using early = await scriptedBackend((socket, received) => {
    if (received.includes('\r\n\r\n')) socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig');
  });
  await gateway.setRoute(routeTo([backendAt(2, early.port)], { check: { probe: { kind: 'tcp' }, intervalMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 } }));
  const client = new RawClient(gateway.address);
  client.send('POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc');
  const text = await client.ended();
  match(text, /^HTTP\/1\.1 413 [\s\S]*\r\nConnection: close\r\n[\s\S]*\r\nbig$/);
  client.close();
});

test('a truncated answer is never a clean end (R-06)', async () => {
  await using broken = await scriptedBackend((socket, received) => {
    if (!received.includes('\r\n\r\n')) return;
    if (received.includes('GET /length')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
    else socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
  });
  await gateway.setRoute(routeTo([backendAt(3, broken.port)], { check: { probe: { kind: 'tcp' }, intervalMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 } }));
  for (const path of ['/length', '/chunks']) {
    const client = new RawClient(gateway.address);
    client.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const text = await client.ended();
    ok(text.includes('abc') && !text.endsWith('0\r\n\r\n'), text);
    client.close();
  }
});

test('an answer that ends with its connection is chunked for the client', async () => {
  await using old = await scriptedBackend((socket, received) => {
    if (received.includes('\r\n\r\n')) socket.end('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold school');
  });
  await gateway.setRoute(routeTo([backendAt(4, old.port)], { check: { probe: { kind: 'tcp' }, intervalMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 } }));
  const client = new RawClient(gateway.address);
  client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  match(
    await client.receive('0\r\n\r\n'),
    /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/plain\r\nTransfer-Encoding: chunked\r\nDate: [^\r]+\r\n\r\na\r\nold school\r\n0\r\n\r\n$/,
  );
  client.close();
});

test('bytes after an answer are never given to the next client (R-05)', async () => {
  await using chatty = await scriptedBackend((socket, received) => {
    if (received.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
  });
  await gateway.setRoute(routeTo([backendAt(5, chatty.port)], { check: { probe: { kind: 'tcp' }, intervalMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 } }));
  const client = new RawClient(gateway.address);
  for (let i = 1; i <= 3; i++) {
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => client.text.split('\r\n\r\nok').length > i, 'the answer comes');
  }
  ok(!client.text.includes('evil'));
  ok(chatty.connections() >= 3, 'a connection with bytes nobody asked for is not used again');
  client.close();
});

test('a client that leaves takes its request away from the backend', async () => {
  let closed = 0;
  await using slow = await scriptedBackend((socket, received) => {
    if (received.includes('\r\n\r\n')) socket.once('close', () => closed++);
  });
  await gateway.setRoute(routeTo([backendAt(6, slow.port)], { check: { probe: { kind: 'tcp' }, intervalMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 } }));
  const client = new RawClient(gateway.address);
  client.send('GET /never HTTP/1.1\r\nHost: x\r\n\r\n');
  await pause(50);
  client.close();
  await until(() => closed === 1, 'the backend sees the end');
});

test('a slow reader holds the backend back instead of filling memory', async () => {
  let sent = 0;
  await using fast = await scriptedBackend((socket, received) => {
    if (!received.endsWith('\r\n\r\n')) return;
    const part = Buffer.alloc(64 * 1024, 'z');
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${1024 * part.length}\r\n\r\n`);
    const pump = () => {
      while (sent < 1024) {
        sent++;
        if (!socket.write(part)) {
          socket.once('drain', pump);
          return;
        }
      }
    };
    pump();
  });
  await gateway.setRoute(routeTo([backendAt(7, fast.port)], { check: { probe: { kind: 'tcp' }, intervalMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 } }));
  const client = new RawClient(gateway.address);
  client.socket.pause();
  client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await pause(400);
  ok(sent < 400, `${sent} of 1024 parts were taken from the backend while nobody read`);
  let received = 0;
  client.socket.removeAllListeners('data');
  client.socket.on('data', (data: Buffer) => {
    received += data.length;
  });
  client.socket.resume();
  await until(() => received > 1024 * 64 * 1024, 'all of it arrives', 15_000);
  client.close();
});

test('a host or path without a route is 404, and the connection goes on', async () => {
  await gateway.setRoute(routeTo([backendAt(1, backend.port)], { matches: [{ host: 'shop.test', path: '/api' }] }));
  const client = new RawClient(gateway.address);
  client.send('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n');
  match(await client.receive('no route'), /^HTTP\/1\.1 404 Not Found\r\n[\s\S]*Proxy-Status: haven; error=destination_not_found/);
  client.send('GET /api/x HTTP/1.1\r\nHost: SHOP.test:80\r\n\r\n');
  await client.receive('"url":"/api/x"');
  client.send('GET /api/%2e%2e/secret HTTP/1.1\r\nHost: shop.test\r\n\r\n');
  match(await client.ended(), /HTTP\/1\.1 400 Bad Request[\s\S]*bad-path/);
  client.close();
});
