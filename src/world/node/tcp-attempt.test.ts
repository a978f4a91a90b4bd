import { equal, rejects } from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { attemptTcp } from './tcp-attempt.ts';

for (const [host, bound] of [
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '::1'],
  ['localhost', '127.0.0.1'],
] as const) {
  test(`whether somebody accepts connections at ${host} is known, and the connection is gone once it is closed`, async (context) => {
    const server = createServer().listen(0, bound);
    const listening = await Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)]);
    if (!listening) {
      context.skip(`this machine has no ${bound}`);
      return;
    }
    const { port } = server.address() as AddressInfo;
    const taken = once(server, 'connection');
    const attempt = attemptTcp({ host, port });
    await attempt.accepted;
    const [socket] = await taken;
    attempt.close();
    socket.resume();
    await once(socket, 'end');
    server.close();
    await once(server, 'close');
    await rejects(attemptTcp({ host, port }).accepted, /ECONNREFUSED/);
  });
}

const hasFiles = existsSync('/proc/self/fd');
test('an attempt that is closed before it is over leaves nothing open', { skip: hasFiles ? false : 'needs /proc' }, async () => {
  const openFiles = () => readdirSync('/proc/self/fd').length;
  const before = openFiles();
  // Nobody answers there (RFC 5737).
  const attempt = attemptTcp({ host: '192.0.2.1', port: 9 });
  attempt.accepted.catch(() => undefined);
  equal(openFiles(), before + 1);
  attempt.close();
  await new Promise((resolve) => setImmediate(resolve));
  equal(openFiles(), before);
});
