import { deepEqual } from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import type { AccessLog } from './access-log.ts';
import { Http2Client, type LiveDataplane, startDataplane } from './fixture-dataplane.ts';
import { CODE, FLAG, FRAME, FrameClient, fieldsOf, frame, headers } from './fixture-frames.ts';
import { backendAt, pause, routeTo, until } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';
import { anyNameTls } from './tls/tls-fixture.ts';

/** Why a connection of HTTP/2 ends, or does not, and what its client is told of that. */

const streams = Array.from({ length: 40 }, (_, i) => 1 + 2 * i);
const most = Buffer.alloc(16 * 1024 - 1, 'a');
const post = (stream: number, path: string) => headers(stream, fieldsOf({ ':method': 'POST', ':path': path }), FLAG.endHeaders);

test('a client whose uploads were answered before they were sent is not taken for one that floods', async () => {
  using backend = new RecordingBackend();
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())], { matches: [{ host: '*', path: '/there' }] })], { http2: true });
  const client = new FrameClient(live.address);
  await client.until(() => client.of(FRAME.window, 0).length > 0, 'the connection has its window');
  client.send(...streams.map((stream) => post(stream, '/nowhere')));
  await client.until(() => streams.every((stream) => client.resetCode(stream) === CODE.none), 'all are answered, and told to stop');
  // On their way until then.
  client.send(...streams.flatMap((stream) => [1, 2, 3].map(() => frame(FRAME.data, 0, stream, most))));
  await pause(400);
  client.get(101, '/there');
  await client.over(101);
  deepEqual(
    [...streams, 101].map((stream) => client.status(stream)),
    [...streams.map(() => 404), 200],
  );
  client.close();
});

test('a client whose uploads wait for a backend is not taken for one that floods', async () => {
  using backend = new RecordingBackend();
  backend.answer = () => undefined;
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())], { settings: { maxInFlight: 1 } })], { http2: true });
  const client = new Http2Client(live.address);
  void client.ask({ ':path': '/first' });
  await until(() => backend.requests.length === 1, 'the backend has all it may have');
  await pause(200);
  for (let i = 0; i < 4; i++) client.session.request({ ':method': 'POST', ':path': '/' }).write(Buffer.alloc(500_000));
  await until(() => live.dataplane.services.get('shop/web')?.heldCount === 4, 'the others wait');
  await pause(500);
  deepEqual([client.session.destroyed, live.dataplane.plane.refusals.get('h2-flood')], [false, undefined]);
  client.session.destroy();
});

const ENDINGS: Readonly<Record<string, { readonly code: number; end(client: FrameClient, live: LiveDataplane): void }>> = {
  'a flood of its client ends': {
    code: CODE.enhanceYourCalm,
    end: (client) => client.send(frame(0x42, 0, 0, Buffer.alloc(8)), ...Array.from({ length: 8 }, () => frame(0x42, 0, 0, most))),
  },
  'the end of its worker ends': { code: CODE.internal, end: (_client, live) => live[Symbol.dispose]() },
};
for (const [how, { code, end }] of Object.entries(ENDINGS))
  test(`an answer whose connection ${how} is not taken for whole, and its client is told why`, async () => {
    using backend = new RecordingBackend();
    const asked: Socket[] = [];
    backend.answer = (socket) => asked.push(socket);
    using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])], { http2: true });
    const client = new FrameClient(live.address);
    client.get(1, '/');
    await until(() => asked.length === 1, 'the request is at the backend');
    asked[0]?.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n');
    await client.until(() => client.text(1) === 'half', 'half of the answer is there');
    end(client, live);
    await client.ended();
    deepEqual([client.goawayCode, client.isOver(1), client.text(1)], [code, false, 'half']);
  });

test('a client over TLS that cuts its connection just before an answer is written is gone, with all it waited for', async () => {
  using backend = new RecordingBackend();
  const asked: Socket[] = [];
  backend.answer = (socket) => asked.push(socket);
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])], { tls: await anyNameTls(['h2']) });
  const { plane } = live.dataplane;
  const raw = connect(live.address);
  raw.on('error', () => undefined);
  using client = new Http2Client(live.address, { socket: raw, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  const answers = Promise.all([client.ask(), client.ask()]);
  await until(() => asked.length === 2, 'both requests are at the backend');
  // An answer is counted in the turn of the event loop at whose end it is written: the cut is not seen before.
  const log: Pick<AccessLog, 'add'> = { add: () => raw.resetAndDestroy() };
  plane.accessLog = log as AccessLog;
  const bytes = 200_000;
  asked[0]?.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`), Buffer.alloc(bytes)]));
  const inFlight = () => live.dataplane.services.get('shop/web')?.inFlight;
  await until(() => plane.clients.size === 0 && inFlight() === 0, 'the client is gone', 2_000).catch(() => undefined);
  deepEqual([plane.clients.size, inFlight()], [0, 0]);
  await answers;
});
