import { match } from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { startDataplane } from './fixture-dataplane.ts';
import { backendAt, RawClient, routeTo, until } from './live-fixture.ts';
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
