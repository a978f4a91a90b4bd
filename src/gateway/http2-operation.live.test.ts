import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import { Http2Client, startDataplane } from './fixture-dataplane.ts';
import { CODE, FRAME, FrameClient } from './fixture-frames.ts';
import { backendAt, pause, routeTo, startBackend, until } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';
import { allPass, fileWith, startStandalone } from './standalone/standalone-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const quick = { http: '/ready', interval: '200ms', rise: 1, fall: 1 };
const REFUSED = CODE.refusedStream;
const listen = { address: '127.0.0.1:0', http2: true };

test('a drain names the last request that is answered; what crosses that is told to be unprocessed, and the connection ends with the last answer (R-27)', async () => {
  await using a = await startBackend({ name: 'a' });
  using live = await startDataplane([routeTo([backendAt(1, a.port)])], { http2: true });
  const client = new FrameClient(live.address);
  client.get(1, '/?wait=800');
  client.get(3, '/?wait=600');
  await until(() => live.dataplane.services.get('shop/web')?.inFlight === 2, 'two requests are under way');
  live.dataplane.drain(10_000);
  live.dataplane.endIdle(4_000);
  await client.until(() => client.of(FRAME.goaway).length === 1, 'the client is told to stop');
  deepEqual([client.of(FRAME.goaway)[0]?.payload.readUInt32BE(0), client.goawayCode], [3, 0]);
  client.get(5, '/late');
  await client.ended();
  deepEqual([client.status(1), client.status(3), client.status(5)], [200, 200, 0]);
  await until(() => live.dataplane.plane.clients.size === 0, 'nothing is left');
});

test('a client that repeats what was not processed, as it may, loses nothing to a drain under load', async () => {
  await using a = await startBackend({ name: 'a' });
  const before = await startDataplane([routeTo([backendAt(1, a.port)])], { http2: true });
  using then = await startDataplane([routeTo([backendAt(1, a.port)])], { http2: true });
  let client = new Http2Client(before.address);
  let moved = 0;
  const failures: string[] = [];
  const one = async (path: string) => {
    for (let tries = 0; tries < 3; tries++) {
      if (client.session.closed || client.session.destroyed) {
        moved++;
        client = new Http2Client(then.address);
      }
      const { status, code } = await client.ask({ ':path': path, ':method': 'POST' }, Buffer.from('x')).catch(() => ({ status: 0, code: REFUSED }));
      if (status === 200) return;
      if (code !== REFUSED) failures.push(`${path}: ${status}, RST_STREAM ${code}`);
    }
    failures.push(`${path}: never answered`);
  };
  const running = Array.from({ length: 10 }, async (_, lane) => {
    for (let i = 0; i < 60; i++) await one(`/${lane}-${i}?wait=5`);
  });
  await pause(150);
  before.dataplane.drain(10_000);
  before.dataplane.endIdle(1_000);
  await Promise.all(running);
  deepEqual(failures, []);
  ok(moved > 0, 'the client went to the other gateway');
  client[Symbol.dispose]();
  before[Symbol.dispose]();
});

test('an idle connection is told of a drain and ends', async () => {
  using live = await startDataplane([], { http2: true });
  const client = new FrameClient(live.address);
  await client.until(() => client.of(FRAME.settings).length === 2, 'both sides have agreed');
  live.dataplane.drain(10_000);
  live.dataplane.endIdle(800);
  await client.ended(4_000);
  equal(client.goawayCode, 0);
});

test('a try whose backend refuses goes to another, and one that found nobody waits (R-08, R-28)', async () => {
  await using a = await startBackend({ name: 'a' });
  const gone = await startBackend({ name: 'gone' });
  await gone[Symbol.asyncDispose]();
  using live = await startDataplane([routeTo([backendAt(1, gone.port), backendAt(2, a.port)])], { http2: true });
  using client = new Http2Client(live.address);
  for (let i = 0; i < 4; i++) {
    const { status, body } = await client.ask({ ':method': 'POST', ':path': `/${i}` }, Buffer.from('body'));
    deepEqual([status, (JSON.parse(body.toString()) as { bytes: number }).bytes], [200, 4]);
  }
  live.dataplane.apply(2, [routeTo([backendAt(1, gone.port)])]);
  const held = client.ask({ ':method': 'POST' }, Buffer.from('kept'));
  await until(() => live.dataplane.services.get('shop/web')?.heldCount === 1, 'the request waits');
  live.dataplane.apply(3, [routeTo([backendAt(2, a.port)])]);
  equal((await held).status, 200);
});

test('a backend that dies under a request that may be repeated costs its client nothing', async () => {
  const recording = new RecordingBackend();
  const port = await recording.listen();
  recording.answer = (socket) => {
    if (recording.requests.length === 1) socket.destroy();
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  };
  using live = await startDataplane([routeTo([backendAt(1, port), backendAt(2, port, { attempt: 2 })])], { http2: true });
  using client = new Http2Client(live.address);
  equal((await client.ask({ ':method': 'PUT' }, Buffer.from('again'))).status, 200);
  deepEqual(
    recording.requests.map((text) => /\r\n\r\n5\r\nagain\r\n0\r\n\r\n$/.test(text)),
    [true, true],
  );
  recording[Symbol.dispose]();
});

test('a file lets a listener speak HTTP/2: limits, cookies, the log and the metrics are as for HTTP/1.1', async () => {
  await using a = await startBackend({ name: 'a' });
  await using b = await startBackend({ name: 'b' });
  const logs = await mkdtemp(join(tmpdir(), 'haven-http2-'));
  const service = {
    backends: [a, b].map(({ port }) => `127.0.0.1:${port}`),
    balance: 'sticky?cookie=bound',
    rateLimit: { rate: '5/s', burst: 5 },
    check: quick,
  };
  await using gateway = await startStandalone(world, fileWith(service, { listen, accessLog: logs }));
  await allPass(gateway, 2);
  using client = new Http2Client(gateway.address);
  const first = await client.ask({ ':path': '/first' });
  const [line = ''] = first.fields['set-cookie'] ?? [];
  match(line, /^bound=[0-9a-f]{16}; Path=\/; HttpOnly; SameSite=Lax$/);
  const name = ({ body }: { body: Buffer }) => (JSON.parse(body.toString()) as { name: string }).name;
  for (let i = 0; i < 4; i++) {
    const next = await client.ask({ cookie: ['other=1', line.split(';', 1)[0] ?? ''] });
    deepEqual([name(next), next.fields['set-cookie']], [name(first), undefined]);
  }
  const answers = await Promise.all(Array.from({ length: 3 }, () => client.ask()));
  ok(answers.some(({ status, fields }) => status === 429 && fields['retry-after'] === '1'));
  await until(
    async () =>
      /^haven_gateway_protocol_requests_total\{protocol="HTTP\/2"\} [1-9]/m.test(await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text()),
    'they are counted',
  );
  const logged = async () => (await Promise.all((await readdir(logs)).map((file) => readFile(join(logs, file), 'utf8')))).join('');
  await until(async () => /"path":"\/first".*"protocol":"HTTP\/2\.0"/.test(await logged()), 'they are logged');
  await rm(logs, { recursive: true });
});

test('a listener that was not told to does not speak HTTP/2', async () => {
  using live = await startDataplane([]);
  const client = new FrameClient(live.address);
  await client.ended();
  await pause(0);
  equal(client.frames.length, 0);
});
