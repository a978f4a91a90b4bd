import { deepEqual, match } from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startDataplane } from './fixture-dataplane.ts';
import { backendAt, RawClient, routeTo, until } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';

/** Answers to requests whose body is still on the way: the client gets to read them, whoever hangs up. */

const tooBig = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig';

test('a client that goes on with its upload after it was refused gets its answer, not a reset', async () => {
  using backend = new RecordingBackend();
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())], { settings: { maxBodyBytes: 1_000 } })]);
  const lengthBytes = 8 * 1024 * 1024;
  const events: string[] = [];
  let text = '';
  const socket = connect({ ...live.address, allowHalfOpen: true });
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  socket.on('error', ({ code }: NodeJS.ErrnoException) => events.push(`error ${code}`));
  socket.on('end', () => events.push('end'));
  socket.on('finish', () => events.push('all sent'));
  socket.on('close', () => events.push('closed'));
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${lengthBytes}\r\n\r\n`);
  // It reads nothing before it has sent all, as many clients do.
  socket.pause();
  socket.end(Buffer.alloc(lengthBytes, 'u'), () => socket.resume());
  await until(() => events.includes('closed'), 'the connection is over');
  match(text, /^HTTP\/1\.1 413 [\s\S]*\r\nConnection: close\r\n/);
  deepEqual(events, ['all sent', 'end', 'closed']);
});

test('an answer of a backend that hangs up in the middle of an upload is passed on, though sending it more has failed', async () => {
  using backend = new RecordingBackend();
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  for (let round = 0; round < 10; round++) {
    const client = new RawClient(live.address);
    backend.answer = (socket) => {
      // The gateway finds more of the body first, and cannot send it.
      client.send('more of the body');
      socket.write(tooBig);
      socket.resetAndDestroy();
    };
    client.send('POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc');
    match(await client.ended(), /^HTTP\/1\.1 413 [\s\S]*\r\nConnection: close\r\n[\s\S]*\r\nbig$/);
    client.close();
  }
  deepEqual(backend.requests.length, 10);
});
