import { match } from 'node:assert/strict';
import { test } from 'node:test';
import { startDataplane } from './fixture-dataplane.ts';
import { backendAt, RawClient, routeTo } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';

test('the answer to a request whose answer cannot be passed on says what is wrong with it, in the word that its metric has', async () => {
  const cookies = Array.from({ length: 120 }, (_, i) => `Set-Cookie: c${i}=1\r\n`).join('');
  const cases = [
    [`HTTP/1.1 200 OK\r\n${cookies}Content-Length: 2\r\n\r\nok`, 'too-many-fields'],
    [`HTTP/1.1 200 OK\r\nX-Big: ${'v'.repeat(20_000)}\r\nContent-Length: 2\r\n\r\nok`, 'field-too-large'],
    ['HTTP/1.1 200 OK\nContent-Length: 2\n\nok', 'bad-line-end'],
    ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', 'bad-upgrade'],
    ['HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(17), 'too-many-informational'],
  ] as const;
  for (const pipeline of [false, true])
    for (const [answer, why] of cases) {
      using backend = new RecordingBackend();
      using live = await startDataplane([routeTo([backendAt(1, await backend.listen())], { settings: { pipeline } })]);
      backend.answer = (socket) => socket.write(answer);
      const client = new RawClient(live.address);
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      const details = `the backend's answer cannot be passed on: ${why}`;
      match(await client.receive(`502 Bad Gateway: ${details}\n`), new RegExp(`error=http_protocol_error; details="${details}"`));
      client.close();
    }
});
