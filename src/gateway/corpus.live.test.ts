import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ChunkedReader } from './dataplane/chunked-reader.ts';
import { ANSWERS, CHUNKED_BODIES, REQUESTS } from './dataplane/corpus.ts';
import { ANSWER_STREAMS, type AnswerCase } from './dataplane/corpus-answers.ts';
import { STREAMS } from './dataplane/corpus-streams.ts';
import { Dataplane } from './dataplane/dataplane.ts';
import { Head, REFUSAL_STATUS, type Refusal, SCAN } from './dataplane/head.ts';
import { openRing } from './dataplane/ring/open-ring.ts';
import { scanRequest } from './dataplane/scan-request.ts';
import { backendAt, pause, RawClient, routeTo, until } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';

const backend = new RecordingBackend();
let dataplane: Dataplane;
let address: { host: string; port: number };
let canaries = 0;

before(async () => {
  dataplane = new Dataplane(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), openRing().ring);
  const port = await backend.listen();
  dataplane.apply(2, [routeTo([backendAt(1, port)])]);
  const server = await dataplane.listen('public', { host: '127.0.0.1', port: 0 });
  const bound = server.address();
  address = { host: '127.0.0.1', port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
});

after(() => {
  dataplane[Symbol.dispose]();
  backend[Symbol.dispose]();
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

test('the corpus is as large as promised', () => {
  ok(REQUESTS.length + CHUNKED_BODIES.length + STREAMS.length >= 120);
  ok(ANSWERS.length + ANSWER_STREAMS.length >= 40);
});

for (const { name, group, bytes, statuses, forwarded, connection, absent } of STREAMS) {
  test(`${group}: ${name}: ${statuses.join(', ')}, ${connection}`, async () => {
    backend.requests.length = 0;
    const client = new RawClient(address);
    client.send(Buffer.from(bytes, 'latin1'));
    if (connection === 'kept') {
      await until(() => statusesOf(client.text).length >= statuses.length, `all are answered: ${client.text}`);
      client.send('GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    }
    const text = await client.ended();
    const more = connection === 'kept';
    deepEqual(statusesOf(text), more ? [...statuses, 200] : statuses, text);
    if (!more) match(text, /\r\nConnection: close\r\n(?:[^\r]+\r\n)*\r\n[^\r]*$/);
    deepEqual(backend.requests.map(requestLineOf), more ? [...forwarded, 'GET /after'] : forwarded);
    equal(backend.rest, '');
    for (const request of backend.requests) {
      equal(verdictOn(request), 'ok', request);
      if (absent) ok(!absent.test(request), `reached the backend: ${request}`);
    }
    client.close();
    await canary();
  });
}

for (const answer of ANSWER_STREAMS) {
  test(`${answer.group}: ${answer.name}: ${answer.status}, ${answer.connection}`, async () => {
    const { bytes, ends, status, body, connection, absent } = answer;
    const opened = backend.connections;
    backend.answer = (socket) => {
      if (ends) socket.end(Buffer.from(bytes, 'latin1'));
      else socket.write(Buffer.from(bytes, 'latin1'));
    };
    const client = new RawClient(address);
    client.send(askFor(answer.method));
    await until(() => client.isEnded || isAnswered(client.text, answer.method), `it is answered: ${client.text}`);
    backend.answer = undefined;
    if (connection === 'kept') client.send('GET /canary-same HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const text = await client.ended();
    const final = text.slice(finalAt(text));
    equal(Number(final.slice(9, 12)), status, text);
    if (absent) ok(!absent.test(final.replace(/HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)*\r\n\/canary-same$/, '')), text);
    if (body === undefined) match(final, /\r\nProxy-Status: haven; error=/);
    else equal(dataOf(final, answer.method).data, body, text);
    if (connection === 'kept') match(final, /\r\n\r\n\/canary-same$/);
    else equal(dataOf(final, answer.method).isWhole, connection === 'closed', text);
    client.close();
    ok(backend.connections - opened <= 3);
    await canary();
  });
}

test('bytes that a backend sends between two requests end its connection, and nobody gets them', async () => {
  backend.answer = (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'), 20);
  };
  const client = new RawClient(address);
  client.send('GET /late HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.receive('ok');
  backend.answer = undefined;
  await pause(60);
  client.send('GET /canary-late HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const text = await client.ended();
  ok(text.endsWith('/canary-late') && !text.includes('poison'), text);
  client.close();
  await canary();
});

function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((found) => Number(found[1])).filter((status) => status >= 200);
}

function requestLineOf(request: string): string {
  return request.slice(0, request.indexOf(' HTTP/1.1\r\n'));
}

function verdictOn(request: string): string {
  const bytes = Buffer.from(request, 'latin1');
  const head = new Head();
  head.begin(0);
  return scanRequest(bytes, bytes.length, head) === SCAN.complete ? 'ok' : head.refusal;
}

function askFor(method: AnswerCase['method']): string {
  if (method === 'POST') return 'POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc';
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n';
  return `${method === 'HEAD' ? 'HEAD' : 'GET'} /answer HTTP/1.1\r\nHost: a\r\n${method === 'WEBSOCKET' ? upgrade : ''}\r\n`;
}

/** Where the final answer begins, behind those of the class 1xx. */
function finalAt(text: string): number {
  return /HTTP\/1\.1 [2-5]/.exec(text)?.index ?? text.length;
}

function isAnswered(text: string, method: AnswerCase['method']): boolean {
  const final = text.slice(finalAt(text));
  return final !== '' && final.includes('\r\n\r\n') && dataOf(final, method).isWhole;
}

/** Data of the first answer as a strict client reads it, and whether it is whole. */
function dataOf(text: string, method: AnswerCase['method']): { readonly data: string; readonly isWhole: boolean } {
  const end = text.indexOf('\r\n\r\n') + 4;
  const head = text.slice(0, end);
  const rest = text.slice(end);
  if (method === 'HEAD' || /^HTTP\/1\.1 (?:204|304)/.test(head)) return { data: '', isWhole: true };
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(head)) {
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    return { data: rest.slice(0, length), isWhole: rest.length >= length };
  }
  const reader = new ChunkedReader();
  reader.begin();
  const bytes = Buffer.from(rest, 'latin1');
  let data = '';
  for (let at = 0; at >= 0 && at < bytes.length && !reader.done; ) {
    at = reader.read(bytes, at, bytes.length);
    if (at >= 0) data += bytes.toString('latin1', reader.dataAt, reader.dataEnd);
  }
  return { data, isWhole: reader.done };
}

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
