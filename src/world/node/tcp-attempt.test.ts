import { equal, ok, rejects } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer, isIP } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../world.ts';
import { HalfConnects } from './half-connect.ts';
import { attemptTcp } from './tcp-attempt.ts';

const canHalf = canConnectHalfway();

for (const [host, bound] of [
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '::1'],
  ['localhost', '127.0.0.1'],
] as const) {
  test(`whether somebody accepts connections at ${host} is known, and who listens at an address is not bothered by it`, async (context) => {
    const server = createServer().listen(0, bound);
    const listening = await Promise.race([once(server, 'listening').then(() => true), once(server, 'error').then(() => false)]);
    if (!listening) {
      context.skip(`this machine has no ${bound}`);
      return;
    }
    let taken = 0;
    server.on('connection', (socket) => {
      taken++;
      socket.destroy();
    });
    const { port } = server.address() as AddressInfo;
    for (let asked = 0; asked < 3; asked++) {
      const attempt = attemptTcp({ host, port });
      await attempt.accepted;
      attempt.close();
    }
    const last = connect(port, bound);
    await once(last, 'close');
    equal(taken, canHalf && isIP(host) !== 0 ? 1 : 4);
    server.close();
    await once(server, 'close');
    await rejects(attemptTcp({ host, port }).accepted, /ECONNREFUSED/);
  });
}

test('a server that has stopped is not left with a queue of connections', { skip: canHalf ? false : 'cannot connect halfway here' }, async () => {
  using server = await stoppedServer();
  for (let asked = 0; asked < 5; asked++) {
    const attempt = attemptTcp(server.address);
    const isAccepted = await Promise.race([attempt.accepted.then(() => true), sleep(1_000, false)]);
    attempt.close();
    ok(isAccepted, `the ${asked + 1}. was not answered`);
  }
});

test('an attempt leaves nothing open, also one that is closed before it is over', { skip: canHalf ? false : 'cannot connect halfway here' }, async () => {
  using server = await stoppedServer();
  const { host, port } = server.address;
  const none = openFiles();
  for (let asked = 0; asked < 3; asked++) await attemptTcp(server.address).accepted;
  await sleep(1);
  equal(openFiles(), none);
  // One waits to be accepted more than was asked for.
  const waiting = [1, 2].map(() => connect(port, host));
  await Promise.all(waiting.map(async (socket) => await once(socket, 'connect')));
  const before = openFiles();
  const attempt = attemptTcp(server.address);
  const isAccepted = await Promise.race([attempt.accepted.then(() => true), sleep(50, false)]);
  equal(isAccepted, false);
  equal(openFiles(), before + 1);
  attempt.close();
  await sleep(1);
  equal(openFiles(), before);
  for (const socket of waiting) socket.destroy();
});

/** Listens, and accepts nothing: two connections wait, and a third is not answered. */
async function stoppedServer(): Promise<Disposable & { readonly address: Address }> {
  const program = "const s = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port))";
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [printed] = await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  return { address: { host: '127.0.0.1', port: Number(printed) }, [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

/** Of this process, on Linux. */
function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

function canConnectHalfway(): boolean {
  try {
    return new HalfConnects() !== undefined;
  } catch {
    return false;
  }
}
