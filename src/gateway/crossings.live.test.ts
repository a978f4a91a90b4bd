import { match, ok } from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { startDataplane } from './fixture-dataplane.ts';
import { backendAt, pause, RawClient, routeTo, until } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';

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
