import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { type ConnectionOptions, connect as connectSecure } from 'node:tls';
import type { ClientConnection } from './dataplane/client-connection.ts';
import { LIMITS } from './dataplane/limits.ts';
import { type LiveDataplane, startDataplane } from './fixture-dataplane.ts';
import { CODE, FLAG, FRAME, FrameClient, fieldsOf, frame, headers, uint32 } from './fixture-frames.ts';
import { backendAt, pause, RawClient, routeTo, until } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';
import { anyNameTls } from './tls/tls-fixture.ts';

/** What crosses on the way: an end before its beginning was taken, a change of configuration before an answer, a request before the one ahead of it was read. */

const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;

test('a request whose try fails after its service was removed is answered, not kept waiting for ever', async () => {
  using backend = new RecordingBackend();
  const asked: Socket[] = [];
  backend.answer = (socket) => asked.push(socket);
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  const client = new RawClient(live.address);
  client.send(get('/1'));
  await until(() => asked.length === 1, 'the request is at the backend');
  live.dataplane.apply(2, []);
  asked[0]?.destroy();
  match(await client.receive('\r\n\r\n', 2_000), /^HTTP\/1\.1 503 /);
  client.close();
});

test('trailers of a request that come in several reads reach the backend whole, however full the memory is that keeps the request', async () => {
  using backend = new RecordingBackend();
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  const lines = Array.from({ length: 12 }, (_, i) => `X-Part-${i}: ${String(i).repeat(180).slice(0, 180)}\r\n`);
  for (const length of [6_400, 7_000, 7_400, 7_600]) {
    const client = new RawClient(live.address);
    client.send(`POST /${length} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${length.toString(16)}\r\n${'b'.repeat(length)}\r\n0\r\n`);
    for (const line of lines) {
      await pause(5);
      client.send(line);
    }
    client.send('\r\n');
    await client.receive('\r\n\r\nok', 2_000);
    const request = backend.requests.at(-1) ?? '';
    ok(request.startsWith(`POST /${length} `) && request.endsWith(`\r\n0\r\n${lines.join('')}\r\n`), `with ${length} bytes: ${request.slice(-300)}`);
    client.close();
  }
});

test('a small chunked body is kept for another try though many requests were read together with it', async () => {
  using backend = new RecordingBackend();
  const seen: Socket[] = [];
  backend.answer = (socket) => {
    seen.push(socket);
    if (backend.requests.at(-1)?.startsWith('PUT ') && seen.length === 2) socket.destroy();
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  };
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  const client = new RawClient(live.address);
  client.send(get('/warm'));
  await client.receive('\r\n\r\nok');
  const behind = Math.ceil(LIMITS.readBytes / get('/behind').length);
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n${get('/behind').repeat(behind)}`);
  await until(() => client.text.split('HTTP/1.1 ').length === behind + 3, 'all are answered');
  client.close();
  deepEqual([client.text.match(/HTTP\/1\.1 (?!200)\d+/g), backend.requests.filter((request) => request.startsWith('PUT ')).length], [null, 2]);
});

test('after an answer that said that the connection ends no other request is taken from it, though the rest of the body has come', async () => {
  using backend = new RecordingBackend();
  const asked: Socket[] = [];
  backend.answer = (socket) => asked.push(socket);
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  const client = new RawClient(live.address);
  client.send('POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf');
  await until(() => asked.length === 1, 'the head is at the backend');
  asked[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nan');
  await client.receive(/Connection: close\r\n(?:Date: [^\r]+\r\n)?\r\nan/i);
  client.send(`half${get('/second')}`);
  await pause(50);
  asked[0]?.write('sw');
  const text = await client.ended();
  ok(text.endsWith('\r\n\r\nansw'), text);
  equal(backend.requests.filter((request) => request.startsWith('GET /second')).length, 0);
  client.close();
});

test('a client that sends requests and reads no answers makes the gateway keep few of them', async () => {
  const body = 'a'.repeat(32 * 1024);
  const count = 1_500;
  using backend = new RecordingBackend();
  backend.answer = (socket) => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  const socket = connect(live.address);
  let isEnded = false;
  socket.on('data', () => undefined);
  socket.on('end', () => {
    isEnded = true;
  });
  socket.pause();
  const targets = Array.from({ length: count }, (_, i) => `/${i}`);
  socket.write(`${targets.map(get).join('')}GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  let before = -1;
  await until(async () => {
    const same = before === backend.requests.length;
    before = backend.requests.length;
    await pause(200);
    return same && before > 0;
  }, 'nothing moves any more');
  // What the kernels of both sides take for a connection is some megabytes.
  ok(before * body.length < 16 * 1024 * 1024, `${before} answers of ${body.length} bytes were fetched`);
  socket.resume();
  await until(() => isEnded, 'all answers come in the end', 20_000);
  deepEqual(
    backend.requests.map((request) => request.split(' ')[1]),
    [...targets, '/last'],
  );
  socket.destroy();
});

test('an answer that lasts until its connection ends is not taken for whole if the connection broke under the request that was still being sent', async () => {
  const upload = 'b'.repeat(64 * 1024);
  let lost: Socket | undefined;
  const backend = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      lost = socket;
      socket.write(`HTTP/1.1 200 OK\r\n\r\n${'a'.repeat(16 * 1024 * 1024)}`);
    });
  });
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  using live = await startDataplane([routeTo([backendAt(1, (backend.address() as { readonly port: number }).port)])]);
  const client = connect(live.address);
  client.on('error', () => undefined);
  let end = '';
  client.on('data', (bytes: Buffer) => {
    end = (end + bytes.toString('latin1')).slice(-16);
  });
  client.pause();
  client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${2 * upload.length}\r\n\r\n${upload}`);
  const { clients } = live.dataplane.plane;
  await until(() => (clients.last as ClientConnection | undefined)?.wire.isPending === true, 'the client does not take what comes');
  lost?.resetAndDestroy();
  await pause(50);
  client.write(upload);
  await until(() => live.dataplane.plane.services.get('shop/web')?.inFlight === 0, 'the gateway has seen that the connection broke');
  client.resume();
  await until(() => client.destroyed || client.readableEnded, 'the connection to the client ended');
  ok(!end.endsWith('0\r\n\r\n'), `it ended with ${JSON.stringify(end)}`);
  client.destroy();
  backend.close();
});

/** Answers with so many bytes to a client that reads none of them: true if the gateway has handed over the end of the answer, and the client's kernel has not taken it. */
async function fillClient(live: LiveDataplane, client: Socket, bytes: number): Promise<boolean> {
  const { clients, services } = live.dataplane.plane;
  client.pause();
  client.write(`GET /${bytes} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  const wire = () => (clients.last as ClientConnection | undefined)?.wire;
  const isOver = () => services.get('shop/web')?.inFlight === 0;
  let quietFor = 0;
  for (let before = -1; quietFor < 5; ) {
    await pause(10);
    const state = Number(wire()?.isPending) + 2 * Number(isOver());
    quietFor = state === before && state > 0 ? quietFor + 1 : 0;
    before = state;
  }
  return isOver() && wire()?.isPending === true;
}

test('an answer that is cut off takes nothing with it of what came before, though its client has sent more', async () => {
  using backend = new RecordingBackend();
  const asked: Socket[] = [];
  backend.answer = (socket) => asked.push(socket);
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  const client = new RawClient(live.address);
  client.socket.pause();
  client.send(`${get('/1')}${get('/2')}`);
  await until(() => asked.length === 1, 'the first is at the backend');
  asked[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst');
  await until(() => asked.length === 2, 'the second is at the backend');
  // More than is read ahead: the rest waits in the kernel, and a connection that is closed over it is reset.
  client.send(get('/more').repeat((4 * LIMITS.aheadBytes) / get('/more').length));
  await pause(50);
  asked[1]?.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsec');
  await pause(20);
  asked[1]?.destroy();
  await pause(50);
  client.socket.resume();
  const text = await client.ended();
  client.close();
  match(text, /\r\n\r\nfirst.*\r\n\r\nsec$/s);
  equal(backend.requests.length, 2);
});

const LATE: Readonly<Record<string, (client: Socket) => void>> = { '': () => undefined, ', having ended its own side': (client) => client.end() };
for (const [how, wait] of Object.entries(LATE))
  test(`an answer that ends its connection comes whole to a client that takes its end late${how}`, async () => {
    using backend = new RecordingBackend();
    backend.answer = (socket) => {
      const bytes = Number(backend.requests.at(-1)?.slice('GET /'.length).split(' ')[0]);
      socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`), Buffer.alloc(bytes, 'a')]));
    };
    using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
    // How much a kernel takes for a client that reads nothing differs: it is looked for.
    let least = 64 * 1024;
    let most = 32 * 1024 * 1024;
    for (;;) {
      const bytes = Math.floor((least + most) / 2);
      const client = connect(live.address);
      const isFull = await fillClient(live, client, bytes);
      if (isFull) {
        wait(client);
        await pause(LIMITS.lingerMs + 700);
        let received = 0;
        client.on('data', (part: Buffer) => {
          received += part.length;
        });
        client.resume();
        await new Promise((resolve) => client.once('close', resolve));
        ok(received > bytes, `${received} of ${bytes} bytes came`);
        return;
      }
      if (live.dataplane.services.get('shop/web')?.inFlight === 0) least = bytes;
      else most = bytes;
      client.destroy();
      await until(() => live.dataplane.plane.clients.size === 0, 'the client is gone');
      ok(most - least > 1_000, `no answer just fills the kernel: between ${least} and ${most} bytes`);
    }
  });

for (const pipeline of [false, true]) {
  test(`the time between two parts of ${pipeline ? 'a pipelined' : 'an'} answer begins anew when its client takes bytes again`, async () => {
    using backend = new RecordingBackend();
    const asked: Socket[] = [];
    backend.answer = (socket) => asked.push(socket);
    const idleTimeoutMs = 2_000;
    using live = await startDataplane([routeTo([backendAt(1, await backend.listen())], { settings: { idleTimeoutMs, pipeline } })]);
    const client = connect(live.address);
    client.pause();
    client.write(get('/1'));
    await until(() => asked.length === 1, 'the request is at the backend');
    asked[0]?.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    const wire = () => (live.dataplane.plane.clients.first as ClientConnection | undefined)?.wire;
    const part = `8000\r\n${'a'.repeat(0x8000)}\r\n`;
    while (wire()?.isPending !== true) {
      asked[0]?.write(part);
      await pause(2);
    }
    await pause(idleTimeoutMs - 600);
    let text = '';
    client.on('data', (bytes: Buffer) => {
      text = text.slice(-100) + bytes.toString('latin1');
    });
    client.resume();
    await until(() => wire()?.isPending === false, 'the client has taken what was handed over');
    await pause(1_100);
    asked[0]?.write('0\r\n\r\n');
    await until(() => text.endsWith('0\r\n\r\n'), 'the end comes', 1_000);
    client.destroy();
  });
}

test('what a client sends through a tunnel over TLS reaches a backend that has ended its own side, though reading was held up meanwhile', async () => {
  let received = 0;
  let backendSide: Socket | undefined;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    backendSide = socket;
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.pause();
      socket.on('data', (bytes: Buffer) => {
        received += bytes.length;
      });
      socket.pause();
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  using live = await startDataplane([routeTo([backendAt(1, typeof bound === 'object' && bound !== null ? bound.port : 0)])], {
    tls: await anyNameTls(['http/1.1']),
  });
  const client = connectSecure({ ...live.address, rejectUnauthorized: false, allowHalfOpen: true } as ConnectionOptions);
  client.on('error', () => undefined);
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13';
  client.write(`GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n\r\n`);
  await new Promise((resolve) => client.once('data', resolve));
  const bytes = 24 * 1024 * 1024;
  client.write(Buffer.alloc(bytes));
  let before = -1;
  await until(async () => {
    const same = before === client.bytesWritten;
    before = client.bytesWritten;
    await pause(150);
    return same;
  }, 'nobody takes more of it');
  const ended = new Promise((resolve) => client.once('end', resolve));
  backendSide?.end();
  await ended;
  backendSide?.resume();
  await until(() => received === bytes, 'all of it comes').catch(() => undefined);
  equal(received, bytes);
  client.destroy();
  backendSide?.destroy();
  server.close();
});

test('a client that ends its connection in the middle of its handshake is gone', async () => {
  const hello = Promise.withResolvers<Buffer>();
  const listener = createServer((socket) => socket.once('data', (bytes) => hello.resolve(bytes)).on('error', () => undefined));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const asking = connectSecure({ ...(listener.address() as { readonly port: number }), host: '127.0.0.1' });
  asking.on('error', () => undefined);
  const bytes = await hello.promise;
  asking.destroy();
  listener.close();
  using live = await startDataplane([], { tls: await anyNameTls(['http/1.1']) });
  const { opening, tls } = live.dataplane.plane;
  const client = connect({ ...live.address, allowHalfOpen: true });
  client.on('error', () => undefined);
  client.write(bytes);
  await new Promise((resolve) => client.once('data', resolve));
  deepEqual(opening.size, 1);
  client.end();
  await until(() => opening.size === 0, 'it is gone', 2_000).catch(() => undefined);
  client.destroy();
  deepEqual([opening.size, tls.errors.get('reset')], [0, 1]);
});

test('a client that cut its connection over TLS while it was not read is gone once an answer to it cannot be written', async () => {
  let backendSide: Socket | undefined;
  const server = createServer((socket) => {
    backendSide = socket;
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.pause();
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  using live = await startDataplane([routeTo([backendAt(1, typeof bound === 'object' && bound !== null ? bound.port : 0)])], {
    tls: await anyNameTls(['http/1.1']),
  });
  const raw = connect(live.address);
  raw.on('error', () => undefined);
  const client = connectSecure({ socket: raw, rejectUnauthorized: false });
  client.on('error', () => undefined);
  const bytes = 24 * 1024 * 1024;
  client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`);
  client.write(Buffer.alloc(bytes));
  await new Promise((resolve) => client.once('data', resolve));
  let before = -1;
  await until(async () => {
    const same = before === raw.bytesWritten;
    before = raw.bytesWritten;
    await pause(150);
    return same;
  }, 'nobody takes more of it');
  raw.resetAndDestroy();
  await pause(50);
  for (let i = 0; i < 3; i++) {
    backendSide?.write('1\r\na\r\n');
    await pause(20);
  }
  const isGone = () => live.dataplane.plane.clients.size === 0;
  await until(isGone, 'the client is gone', 2_000).catch(() => undefined);
  client.destroy();
  backendSide?.destroy();
  server.close();
  ok(isGone());
});

const reset = (code: number) => frame(FRAME.reset, 0, 1, uint32(code));
const LEAVINGS: Readonly<Record<string, (client: FrameClient) => void>> = {
  'resets its stream': (client) => client.send(reset(CODE.cancel)),
  'resets it without an error': (client) => client.send(reset(CODE.none)),
  'resets it and sends more': (client) => client.send(reset(CODE.cancel), frame(FRAME.data, FLAG.endStream, 1, [1])),
  'says that it goes away and does': (client) => {
    client.send(frame(FRAME.goaway, 0, 0, [...uint32(0), ...uint32(CODE.none)]));
    client.socket.end();
  },
  'ends its connection': (client) => client.socket.end(),
  'resets its connection': (client) => client.socket.resetAndDestroy(),
};
for (const [how, leave] of Object.entries(LEAVINGS)) {
  test(`no backend takes for whole the body of an HTTP/2 client that, in the middle of it, ${how}`, async () => {
    using backend = new RecordingBackend();
    using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])], { http2: true });
    const client = new FrameClient(live.address);
    client.send(headers(1, fieldsOf({ ':method': 'POST' }), FLAG.endHeaders), frame(FRAME.data, 0, 1, Buffer.from('half')));
    await until(() => backend.rest.endsWith('half\r\n'), 'half of the body is at the backend');
    leave(client);
    await until(() => backend.open === 0, 'the backend is told that nobody waits');
    deepEqual(backend.requests, []);
    client.close();
  });
}
