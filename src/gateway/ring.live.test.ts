import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { openRing } from './dataplane/ring/open-ring.ts';
import type { Ring } from './dataplane/ring/ring.ts';
import { ringWires } from './dataplane/ring/ring-wires.ts';
import { WaitingConnections } from './dataplane/ring/waiting-connections.ts';
import { acceptedPair, linked } from './fixture-wires.ts';

const opened = openRing();
const options = { skip: opened.ring === undefined && `no io_uring: ${opened.reason}`, timeout: 20_000 };
const ring = opened.ring as Ring;
const wires = ringWires(ring);
const turn = () => new Promise((resolve) => setTimeout(resolve, 10));

test('what came in the last round of a turn is handled to its end as well', options, async () => {
  using link = await linked(wires);
  let isHandled = true;
  link.there.user.heard = () => {
    isHandled = false;
  };
  ring.roundHandled = () => {
    isHandled = true;
  };
  // Too long for a block: it is sent at once, in whichever round of the turn that is.
  const bytes = Buffer.alloc(20_000);
  for (let rounds = 1; rounds <= 20; rounds++) {
    let left = rounds;
    const user = {
      received: () => undefined,
      sent: () => undefined,
      hungUp: () => undefined,
      goOn: () => {
        if (--left > 0) ring.later(user);
        else link.here.wire.write(bytes);
      },
    };
    const had = link.there.user.bytes.length;
    ring.later(user);
    await link.there.user.until((heard) => heard.bytes.length === had + bytes.length);
    await turn();
    ok(isHandled, `after ${rounds} rounds`);
  }
  ring.roundHandled = () => undefined;
});

test('once a connection was accepted the rest of the event loop has its turn after one round, for others may wait to be accepted', options, async () => {
  const roundsOfFirstTurn = async () => {
    let rounds = 0;
    let atFirst = 0;
    const user = {
      received: () => undefined,
      sent: () => undefined,
      hungUp: () => undefined,
      goOn: () => {
        if (++rounds < 3) ring.later(user);
      },
    };
    ring.later(user);
    setImmediate(() => {
      atFirst = rounds;
    });
    await turn();
    return [atFirst, rounds];
  };
  deepEqual(await roundsOfFirstTurn(), [3, 3]);
  ring.noteAccepted();
  deepEqual(await roundsOfFirstTurn(), [1, 3]);
  deepEqual(await roundsOfFirstTurn(), [3, 3]);
});

test('connections that come at once are accepted in one turn of the event loop, as many as another worker can do without', options, async () => {
  const waiting = new WaitingConnections(ring.calls);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    waiting.take(server);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clients = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'));
  await once(server, 'connection');
  equal(sockets.length, 17);
  while (sockets.length < 20) await turn();
  deepEqual(sockets.map(({ remotePort }) => remotePort).toSorted(), clients.map(({ localPort }) => localPort).toSorted());
  // Those count as the server's own.
  equal(await connectionsOf(server), 20);
  for (const socket of [...clients, ...sockets]) socket.destroy();
  server.close();
  await once(server, 'close');
});

test('an error that a user throws ends neither its connection nor others', options, async () => {
  const thrown: string[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error.message));
  try {
    using pair = await acceptedPair(wires);
    using other = await acceptedPair(wires);
    pair.user.heard = (what) => {
      // What has come by then waits, and is handed over later.
      if (thrown.length === 0) {
        pair.wire.pause();
        setTimeout(() => pair.wire.resume(), 10);
      }
      throw new Error(what);
    };
    other.user.heard = (what) => {
      throw new Error(what);
    };
    const sent = Buffer.alloc(300_000, 'x');
    pair.client.resume();
    other.client.resume();
    pair.client.end(sent);
    other.client.end(sent);
    for (const { user, wire } of [pair, other]) {
      await user.until(({ told }) => told.includes('ended'));
      equal(user.bytes.length, sent.length);
      wire.end();
      await user.until(({ told }) => told.includes('closed'));
    }
    ok(thrown.includes('ended') && thrown.includes('bytes'));
  } finally {
    process.setUncaughtExceptionCaptureCallback(null);
  }
});

test('a reset is an error to the other side also when an end was to come behind bytes that it does not read', options, async () => {
  using pair = await acceptedPair(wires);
  while (!pair.wire.write(Buffer.alloc(4 * 1024 * 1024)));
  pair.wire.end();
  pair.wire.reset();
  const error = once(pair.client, 'error');
  pair.client.resume();
  equal(((await error)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
});

test('a reader that pauses with each part it gets, gets all of them in the end', options, async () => {
  using link = await linked(wires);
  const { here, there } = link;
  const sent = Buffer.alloc(8 * 1024 * 1024, 'x');
  there.user.heard = (what) => {
    if (what !== 'bytes') return;
    there.wire.pause();
    setImmediate(() => there.wire.resume());
  };
  here.wire.write(sent);
  here.wire.end();
  await there.user.until(({ told }) => told.includes('ended'));
  equal(there.user.bytes.length, sent.length);
});

test('a process ends by itself once its connections are over', options, async () => {
  const script = `
    import { linked } from ${JSON.stringify(import.meta.resolve('./fixture-wires.ts'))};
    import { openRing } from ${JSON.stringify(import.meta.resolve('./dataplane/ring/open-ring.ts'))};
    import { ringWires } from ${JSON.stringify(import.meta.resolve('./dataplane/ring/ring-wires.ts'))};
    for (let rings = 0; rings < 2; rings++) {
      using link = await linked(ringWires(openRing().ring));
      link.here.wire.write(Buffer.from('x'));
      await link.there.user.until(({ bytes }) => bytes.length === 1);
    }
    console.log('over');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (part) => {
    said += part;
  });
  deepEqual([await once(child, 'close'), said], [[0, null], 'over\n']);
});

function connectionsOf(server: Server): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  server.getConnections((_error, count) => resolve(count));
  return promise;
}
