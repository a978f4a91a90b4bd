import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { Http2Client, type LiveDataplane, startDataplane } from './fixture-dataplane.ts';
import { backendAt, type Echo, type LiveBackend, pause, RawClient, routeTo, startBackend, until } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';

const recording = new RecordingBackend();
let backend: LiveBackend;
let live: LiveDataplane;
let client: Http2Client;
/** Answers with the bytes of the one script that a test sets. */
let script: (socket: Socket, received: string) => void = () => undefined;
const scripted = createServer((socket) => {
  let received = '';
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    received += data.toString('latin1');
    script(socket, received);
  });
});

before(async () => {
  backend = await startBackend({ name: 'one' });
  const recordingPort = await recording.listen();
  await new Promise<void>((resolve) => scripted.listen(0, '127.0.0.1', resolve));
  const bound = scripted.address();
  const scriptedPort = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const route = routeTo([backendAt(1, backend.port)]);
  live = await startDataplane(
    [
      route,
      { ...routeTo([backendAt(2, recordingPort)], { matches: [{ host: 'recording', path: '/' }] }), service: 'recording' as never },
      { ...routeTo([backendAt(3, scriptedPort)], { matches: [{ host: 'scripted', path: '/' }] }), service: 'scripted' as never },
    ],
    { http2: true },
  );
  client = new Http2Client(live.address);
});

after(async () => {
  client[Symbol.dispose]();
  live[Symbol.dispose]();
  recording[Symbol.dispose]();
  scripted.close();
  await backend[Symbol.asyncDispose]();
});

/** What the recording backend got of one request. */
async function recorded(fields: Record<string, string | string[]>, body?: Buffer, trailers?: Record<string, string>): Promise<string> {
  recording.requests.length = 0;
  equal((await client.ask({ ':authority': 'recording', ...fields }, body, trailers)).status, 200);
  equal(recording.requests.length, 1);
  return (recording.requests[0] ?? '').replace(/X-Request-Id: [0-9a-f]{22}/, 'X-Request-Id: ID');
}

test('a request of HTTP/2 reaches the backend as one of HTTP/1.1, with what we say of its client', async () => {
  const text = await recorded({ ':path': '/a?b=c', 'x-mine': 'kept', 'x-forwarded-for': '6.6.6.6', cookie: ['a=1', 'b=2'] });
  equal(
    text,
    [
      'GET /a?b=c HTTP/1.1',
      'x-mine: kept',
      'host: recording',
      'cookie: a=1; b=2',
      'X-Forwarded-Host: recording',
      'X-Forwarded-For: 127.0.0.1',
      'X-Real-IP: 127.0.0.1',
      'X-Forwarded-Proto: http',
      `X-Forwarded-Port: ${live.address.port}`,
      'Via: 2.0 haven',
      'X-Request-Id: ID\r\n\r\n',
    ].join('\r\n'),
  );
});

test('the same listener serves HTTP/1.1 to those that speak it', async () => {
  const raw = new RawClient(live.address);
  raw.send('GET /one HTTP/1.1\r\nHost: recording\r\nConnection: close\r\n\r\n');
  match(await raw.ended(), /^HTTP\/1\.1 200 OK\r\n/);
  raw.close();
});

test('what a request is sent to goes before what it says: a Host that differs is dropped (R-16)', async () => {
  const text = await recorded({ ':path': '/', host: 'evil' });
  match(text, /\r\nhost: recording\r\n/);
  ok(!text.includes('evil'), text);
});

test('bodies of any size arrive whole, with a length or without, both ways', async () => {
  for (const size of [0, 1, 1_000, 70_000, 1_500_000]) {
    const body = Buffer.alloc(size, 'abcdefghij');
    const sha = createHash('sha1').update(body).digest('hex');
    const parts = (async function* () {
      for (let at = 0; at < size; at += 9_999) yield body.subarray(at, at + 9_999);
    })();
    for (const [fields, sent] of [
      [{ 'content-length': String(size) }, body],
      [{}, parts],
    ] as const) {
      const answer = await client.ask({ ':method': 'POST', ':path': '/', ...fields }, sent);
      const echo = JSON.parse(answer.body.toString()) as Echo;
      deepEqual([answer.status, echo.bytes, echo.sha], [200, size, sha]);
    }
  }
  equal((await client.ask({ ':path': '/chunked' })).body.toString(), 'first second');
});

test('a body without a length is chunked to the backend, with its trailers; one that ends at once has the length 0', async () => {
  match(
    await recorded({ ':method': 'POST' }, Buffer.from('hello'), { 'x-sum': '5', 'x-request-id': '9' }),
    /\r\nTransfer-Encoding: chunked\r\n.*\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n$/s,
  );
  match(await recorded({ ':method': 'POST', 'content-length': '5' }, Buffer.from('hello')), /\r\nContent-Length: 5\r\n.*\r\n\r\nhello$/s);
  match(await recorded({ ':method': 'POST' }), /\r\nContent-Length: 0\r\n/);
  ok(!/content-length|transfer-encoding/i.test(await recorded({ ':method': 'DELETE' })));
});

test('a call of gRPC passes: te and trailers to the backend, trailers with the status back, and an answer of trailers alone', async () => {
  script = (socket, received) => {
    if (!received.endsWith('0\r\n\r\n')) return;
    match(received, /\r\nTE: trailers\r\n/);
    match(received, /\r\nConnection: TE\r\n/);
    socket.end(
      'HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n5\r\nreply\r\n0\r\ngrpc-status: 0\r\ngrpc-message: fine\r\n\r\n',
    );
  };
  const call = { ':method': 'POST', ':authority': 'scripted', 'content-type': 'application/grpc', te: 'trailers' };
  const answer = await client.ask(call, Buffer.from('\0\0\0\0\x04call'));
  deepEqual([answer.status, answer.body.toString(), answer.fields['content-type']], [200, 'reply', 'application/grpc']);
  deepEqual(Object.fromEntries(Object.entries(answer.trailers ?? {})), { 'grpc-status': '0', 'grpc-message': 'fine' });
  script = (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\ngrpc-status: 12\r\nContent-Length: 0\r\n\r\n');
  const alone = await client.ask(call, Buffer.alloc(0));
  deepEqual([alone.status, alone.fields['grpc-status'], alone.body.length], [200, '12', 0]);
});

test('HEAD, 204 and 304 have no body, and HEAD tells the length of a GET', async () => {
  script = (socket, received) => {
    if (received.startsWith('HEAD')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n');
    else if (received.startsWith('GET /204')) socket.end('HTTP/1.1 204 No Content\r\n\r\n');
    else socket.end('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n');
  };
  const to = { ':authority': 'scripted' };
  const head = await client.ask({ ...to, ':method': 'HEAD' });
  deepEqual([head.status, head.fields['content-length'], head.body.length], [200, '42', 0]);
  deepEqual([(await client.ask({ ...to, ':path': '/204' })).status, (await client.ask({ ...to, ':path': '/304' })).fields.etag], [204, '"a"']);
  const missing = await client.ask({ ':method': 'HEAD', ':path': '/%00' });
  deepEqual([missing.status, missing.body.length, missing.code], [400, 0, 0]);
});

test('informational answers pass, 100 and 103, and 101 that nobody asked for is an error of the backend', async () => {
  script = (socket, received) => {
    if (received.includes('expect')) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    socket.end('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nLink: </b.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  };
  const { status, informational } = await client.ask({ ':authority': 'scripted', ':method': 'POST', expect: '100-continue' }, Buffer.from('x'));
  equal(status, 200);
  ok(
    informational.some((fields) => Number(fields[':status']) === 103 && fields.link === '</a.css>, </b.css>'),
    JSON.stringify(informational),
  );
  script = (socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  equal((await client.ask({ ':authority': 'scripted' })).status, 502);
});

test('of what a backend says of its connection nothing reaches the client, and repeated fields all do', async () => {
  script = (socket) =>
    socket.end(
      'HTTP/1.1 200 OK\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nHTTP2-Settings: x\r\nX-Same: a\r\nX-SAME: b\r\nContent-Type: a/b\r\nContent-Type: c/d\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nuntil close',
    );
  const { fields, body } = await client.ask({ ':authority': 'scripted' });
  const { date, ...others } = fields;
  deepEqual(Object.fromEntries(Object.entries(others)), { ':status': 200, 'x-same': 'a, b', 'content-type': 'a/b', 'set-cookie': ['a=1', 'b=2'] });
  equal(body.toString(), 'until close');
});

test('an answer that a backend breaks off ends in a reset, never as if it were whole (R-06)', async () => {
  for (const broken of [
    'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\nxyz\r\n',
  ]) {
    script = (socket) => socket.end(broken);
    const { status, code } = await client.ask({ ':authority': 'scripted' });
    deepEqual([status, code], [200, 2], broken);
  }
  equal((await client.ask()).status, 200, 'the connection goes on');
});

test('answers of the gateway itself are like those of HTTP/1.1', async () => {
  const plain = await startDataplane([], { http2: true });
  const other = new Http2Client(plain.address);
  const { status, fields, body } = await other.ask();
  deepEqual(
    [status, fields['proxy-status'], body.toString()],
    [404, 'haven; error=destination_not_found; details="no route matches this host and path"', '404 Not Found: no route matches this host and path\n'],
  );
  other[Symbol.dispose]();
  plain[Symbol.dispose]();
  const refusals = { [`/${'a'.repeat(9_000)}`]: 414, '/%00': 400, '/%zz': 400 };
  for (const [path, expected] of Object.entries(refusals)) equal((await client.ask({ ':path': path })).status, expected, path.slice(0, 20));
});

test('an answer that comes before the body was read stops the client, without an error (R-07)', async () => {
  script = (socket, received) => {
    if (received.includes('\r\n\r\n')) socket.write(`HTTP/1.1 413 Content Too Large\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1_000_000)}`);
  };
  const endless = (async function* () {
    for (let i = 0; i < 2_000; i++) {
      yield Buffer.alloc(10_000);
      if (i % 20 === 0) await pause(1);
    }
  })();
  const { status, body, code } = await client.ask({ ':authority': 'scripted', ':method': 'POST' }, endless);
  deepEqual([status, body.length, code], [413, 1_000_000, 0]);
});

test('a client that resets its stream ends the work for it, and is counted', async () => {
  let closed = 0;
  script = (socket) => {
    socket.on('close', () => closed++);
  };
  const service = live.dataplane.services.get('shop/scripted');
  const aborts = service?.counts.clientAborts ?? 0;
  const stream = client.session.request({ ':authority': 'scripted' });
  stream.on('error', () => undefined);
  await until(() => service?.inFlight === 1, 'the request is in flight');
  await until(() => (service?.backends[0]?.inFlight ?? 0) === 1, 'a try is under way');
  stream.close(8);
  await until(() => closed === 1, 'the connection to the backend is closed');
  deepEqual([service?.inFlight, (service?.counts.clientAborts ?? 0) - aborts], [0, 1]);
});

test('a client that does not read holds its own answer alone, and the backend of that (bounded memory)', async () => {
  const total = 50_000_000;
  let sent = 0;
  script = (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
    const part = Buffer.alloc(100_000);
    const push = () => {
      while (sent < total && !socket.destroyed) {
        sent += part.length;
        if (!socket.write(part)) {
          socket.once('drain', push);
          return;
        }
      }
    };
    push();
  };
  const stalled = client.session.request({ ':authority': 'scripted' });
  stalled.on('error', () => undefined);
  await pause(300);
  const atRest = sent;
  await pause(200);
  ok(sent === atRest && sent < 20_000_000, `${atRest} and then ${sent} bytes were taken from the backend`);
  equal((await client.ask({ ':path': '/beside' })).status, 200);
  let received = 0;
  stalled.on('data', (part: Buffer) => {
    received += part.length;
  });
  await until(() => received === total, 'all of it comes once it is read');
});

test('a backend that does not read holds the body of its own request alone (bounded memory)', async () => {
  let socketOf: Socket | undefined;
  script = (socket) => {
    if (socketOf === undefined) {
      socketOf = socket;
      socket.pause();
    }
  };
  const stream = client.session.request({ ':authority': 'scripted', ':method': 'POST' });
  stream.on('error', () => undefined);
  let written = 0;
  const part = Buffer.alloc(50_000);
  const push = () => {
    while (written < 40_000_000) {
      written += part.length;
      if (!stream.write(part)) {
        stream.once('drain', push);
        return;
      }
    }
  };
  push();
  await pause(400);
  const atRest = written;
  await pause(200);
  ok(written === atRest && written < 20_000_000, `${atRest} and then ${written} bytes were taken from the client`);
  equal((await client.ask({ ':path': '/beside' })).status, 200);
  let got = 0;
  socketOf?.on('data', (data) => {
    got += data.length;
  });
  socketOf?.resume();
  await until(() => got > 30_000_000, 'it comes once it is read');
  stream.close(8);
});

test('requests of one connection run beside each other, a hundred of them', async () => {
  // Of its own: Node counts a stream that was reset a little longer than its client does.
  using other = new Http2Client(live.address);
  const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => other.ask({ ':path': `/${i}?wait=20` })));
  deepEqual(
    answers.map(({ status, body, code }) => (status === 200 ? `200 ${(JSON.parse(body.toString()) as Echo).url}` : `${status} ${code}`)),
    Array.from({ length: 300 }, (_, i) => `200 /${i}?wait=20`),
  );
});
