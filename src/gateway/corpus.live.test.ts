import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { ANSWERS, CHUNKED_BODIES, REQUESTS } from './dataplane/corpus.ts';
import { Dataplane } from './dataplane/dataplane.ts';
import { REFUSAL_STATUS, type Refusal } from './dataplane/head.ts';
import { backendAt, RawClient, routeTo } from './live-fixture.ts';

/** A backend that records what reaches it and answers each request, or says what a test tells it to. */
class RecordingBackend {
  readonly requests: string[] = [];
  answer: ((socket: Socket) => void) | undefined;
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    let bytes = '';
    socket.on('data', (data) => {
      bytes += data.toString('latin1');
      for (let taken = takeRequest(bytes); taken !== undefined; taken = takeRequest(bytes)) {
        bytes = bytes.slice(taken.length);
        this.requests.push(taken);
        if (taken.startsWith('GET /canary')) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${taken.split(' ')[1]?.length}\r\n\r\n${taken.split(' ')[1]}`);
        else if (this.answer !== undefined) this.answer(socket);
        else if (taken.startsWith('HEAD ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n');
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }
    });
  }
}

/** The first whole request of the bytes, read leniently: what a sloppy backend would take for one. */
function takeRequest(bytes: string): string | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.slice(0, end + 4);
  if (/\ntransfer-encoding:/i.test(head)) {
    const last = /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(bytes.slice(end + 4));
    return last === null ? undefined : bytes.slice(0, end + 4 + last.index + last[0].length);
  }
  const length = Number(/\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  return bytes.length < end + 4 + length ? undefined : bytes.slice(0, end + 4 + length);
}

const backend = new RecordingBackend();
let dataplane: Dataplane;
let address: { host: string; port: number };
let canaries = 0;

before(async () => {
  dataplane = new Dataplane(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
  const port = await backend.listen();
  dataplane.apply(2, [routeTo([backendAt(1, port)])]);
  const server = await dataplane.listen('public', { host: '127.0.0.1', port: 0 });
  const bound = server.address();
  address = { host: '127.0.0.1', port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
});

after(() => {
  dataplane[Symbol.dispose]();
  backend.close();
});

/** Another client's request on the same pool still gets its own answer. */
async function canary(): Promise<void> {
  const path = `/canary-${++canaries}`;
  const client = new RawClient(address);
  client.send(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const text = await client.ended();
  ok(text.startsWith('HTTP/1.1 200 OK') && text.endsWith(`\r\n\r\n${path}`), text);
  client.close();
}

test('no refused request reaches a backend, its connection ends, and the pool stays sound', async () => {
  for (const { name, bytes, expect } of REQUESTS) {
    if (expect === 'ok') continue;
    backend.requests.length = 0;
    const client = new RawClient(address);
    client.send(Buffer.from(bytes, 'latin1'));
    const text = await client.ended();
    match(text, new RegExp(`^HTTP/1\\.1 ${REFUSAL_STATUS[expect as Refusal] ?? 400} `), `${name}: ${text.slice(0, 100)}`);
    match(text, new RegExp(`details="${expect}"`), name);
    match(text, /\r\nConnection: close\r\n/, name);
    deepEqual(backend.requests, [], name);
    client.close();
    await canary();
  }
});

test('a good request goes on, and one that hides behind a refused one never does', async () => {
  for (const { name, bytes, expect } of REQUESTS) {
    if (expect !== 'ok' || /HTTP\/1\.0/.test(bytes) || /upgrade: websocket/i.test(bytes)) continue;
    backend.requests.length = 0;
    const client = new RawClient(address);
    const body = /transfer-encoding/i.test(bytes) ? '0\r\n\r\n' : '';
    client.send(
      Buffer.from(`${bytes}${body}GET /next HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\nHost: x\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n`, 'latin1'),
    );
    const text = await client.ended();
    equal(text.split('HTTP/1.1 200 OK').length, 3, `${name}: ${text}`);
    equal(text.split('HTTP/1.1 400 Bad Request').length, 2, `${name}: ${text}`);
    equal(backend.requests.length, 2, name);
    client.close();
    await canary();
  }
});

test('a broken chunked body is 400, and its backend connection is not used again', async () => {
  for (const { name, bytes, expect } of CHUNKED_BODIES) {
    const client = new RawClient(address);
    client.send(Buffer.from(`POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${bytes}`, 'latin1'));
    const text = await client.ended();
    match(text, expect === 'broken' ? /^HTTP\/1\.1 400 / : /^HTTP\/1\.1 200 /, `${name}: ${text}`);
    client.close();
    await canary();
  }
});

test('a broken answer is 502, and the pool stays sound', async () => {
  for (const { name, bytes, expect } of ANSWERS) {
    if (expect.startsWith('ok')) continue;
    backend.answer = (socket) => socket.end(Buffer.from(bytes, 'latin1'));
    const client = new RawClient(address);
    client.send('GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const text = await client.ended();
    backend.answer = undefined;
    match(text, /^HTTP\/1\.1 502 Bad Gateway\r\n[\s\S]*error=http_protocol_error/, `${name}: ${text}`);
    client.close();
    await canary();
  }
});

test('byte by byte, a pipelined stream gives the same answers', async () => {
  const stream =
    'POST /1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /canary-split HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  const whole = new RawClient(address);
  whole.send(stream);
  const expected = await whole.ended();
  const split = new RawClient(address);
  split.socket.setNoDelay(true);
  for (const byte of stream) {
    split.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  equal(await split.ended(), expected);
  whole.close();
  split.close();
});

test('streams of mutated requests break nothing: every connection ends or answers, and the canary sings', async () => {
  let seed = 12_345;
  const luck = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 40; round++) {
    const clients = Array.from({ length: 25 }, () => {
      const stream = Buffer.from(Array.from({ length: 3 }, () => REQUESTS[luck(REQUESTS.length)]?.bytes.slice(0, 2_000)).join(''), 'latin1');
      for (let i = luck(6); i > 0; i--) stream[luck(stream.length)] = luck(256);
      const client = new RawClient(address);
      client.send(stream);
      client.socket.end();
      return client;
    });
    for (const client of clients) {
      await client.ended();
      client.close();
    }
    await canary();
  }
});
