import { deepEqual, equal, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { acceptedPair, Recorded, WIRES } from './fixture-wires.ts';

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const noise = (length: number) => Buffer.from(Array.from({ length }, (_, at) => (at * 7 + (at >> 8) * 13) & 255));

for (const { name, wires, skip } of WIRES) {
  const options = { skip, timeout: 20_000 };

  test(`${name}: what the other side sends comes in order, and then its end`, options, async () => {
    using pair = await acceptedPair(wires);
    const sent = noise(3 * 1024 * 1024);
    pair.client.end(sent);
    await pair.user.until(({ told }) => told.includes('ended'));
    equal(hashOf(pair.user.bytes), hashOf(sent));
    equal(pair.user.told.at(-1), 'ended');
  });

  test(`${name}: what is written arrives in order, whatever its size, and the end after it`, options, async () => {
    using pair = await acceptedPair(wires);
    const parts = [1, 20, 300, 20_000, 5, 16 * 1024, 16 * 1024 - 1, 70_000, 3, 1_000_000].map(noise);
    const got: Buffer[] = [];
    pair.client.on('data', (part) => got.push(part));
    pair.client.resume();
    for (const part of parts) {
      pair.wire.write(part);
      if (pair.wire.isPending) await pair.user.until(() => !pair.wire.isPending);
    }
    pair.wire.end();
    await once(pair.client, 'end');
    equal(hashOf(Buffer.concat(got)), hashOf(Buffer.concat(parts)));
    await pair.user.until(() => pair.wire.hasSentEnd);
  });

  test(`${name}: who pauses at the first bytes of many is held little memory for`, options, async () => {
    const pairs = await Promise.all(Array.from({ length: 20 }, () => acceptedPair(wires)));
    try {
      const sent = noise(4 * 1024 * 1024);
      const before = process.memoryUsage().arrayBuffers;
      for (const { wire, user, client } of pairs) {
        user.onBytes = (bytes, count) => {
          wire.pause();
          Recorded.prototype.onBytes.call(user, bytes, count);
        };
        client.write(sent);
      }
      await Promise.all(pairs.map(({ user }) => user.until(({ told }) => told.includes('bytes'))));
      for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve));
      const held = process.memoryUsage().arrayBuffers - before;
      ok(held <= pairs.length * 128 * 1024, `${held} bytes for ${pairs.length} connections`);
    } finally {
      for (const pair of pairs) pair[Symbol.dispose]();
    }
  });

  test(`${name}: a client that does not read makes writes pending, and one that reads again makes them go on`, options, async () => {
    using pair = await acceptedPair(wires);
    const part = noise(64 * 1024);
    let written = 0;
    while (!pair.wire.isPending && written < 1_000) {
      pair.wire.write(Buffer.from(part));
      written++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    ok(written < 1_000, 'the kernel took everything');
    let got = 0;
    pair.client.on('data', (bytes: Buffer) => {
      got += bytes.length;
    });
    pair.client.resume();
    await pair.user.until(({ told }) => told.includes('writable'));
    equal(pair.wire.isPending, false);
    pair.wire.end();
    await once(pair.client, 'end');
    equal(got, written * part.length);
  });

  test(`${name}: nothing is told while reading is paused, and nothing is lost`, options, async () => {
    using pair = await acceptedPair(wires);
    pair.client.write('one');
    await pair.user.until(({ bytes }) => bytes.length === 3);
    pair.wire.pause();
    pair.client.end('two');
    await new Promise((resolve) => setTimeout(resolve, 50));
    deepEqual(pair.user.told, ['bytes']);
    pair.wire.resume();
    await pair.user.until(({ told }) => told.includes('ended'));
    deepEqual([pair.user.bytes.toString(), pair.user.told], ['onetwo', ['bytes', 'bytes', 'ended']]);
  });

  test(`${name}: pauses and resumes in any order lose and double nothing`, options, async () => {
    using pair = await acceptedPair(wires);
    const sent = noise(2 * 1024 * 1024);
    pair.client.end(sent);
    for (let turn = 0; !pair.user.told.includes('ended'); turn++) {
      if (turn % 3 === 0) pair.wire.pause();
      if (turn % 3 === 1 || turn % 7 === 0) pair.wire.resume();
      await new Promise((resolve) => setImmediate(resolve));
    }
    equal(hashOf(pair.user.bytes), hashOf(sent));
  });

  test(`${name}: a paused wire holds the other side back`, options, async () => {
    using pair = await acceptedPair(wires);
    pair.wire.pause();
    let taken = 0;
    for (let turn = 0; turn < 200 && pair.client.writableLength < 4 * 1024 * 1024; turn++) {
      pair.client.write(noise(256 * 1024));
      taken++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    ok(pair.client.writableLength > 0, `the client could send ${taken} parts to nobody`);
    equal(pair.user.bytes.length, 0);
  });

  test(`${name}: bytes written right before the connection is destroyed arrive`, options, async () => {
    using pair = await acceptedPair(wires);
    const got: Buffer[] = [];
    pair.client.on('data', (part) => got.push(part));
    pair.client.resume();
    pair.wire.write(Buffer.from('last words'));
    pair.wire.destroy();
    await once(pair.client, 'end');
    equal(Buffer.concat(got).toString(), 'last words');
    await pair.user.until(({ told }) => told.includes('closed'));
    deepEqual(pair.user.told, ['closed']);
  });

  test(`${name}: a reset is an error to the other side`, options, async () => {
    using pair = await acceptedPair(wires);
    const error = once(pair.client, 'error');
    pair.client.resume();
    pair.wire.reset();
    equal(((await error)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
    await pair.user.until(({ told }) => told.includes('closed'));
  });

  test(`${name}: a reset by the other side is told as an error, once`, options, async () => {
    using pair = await acceptedPair(wires);
    pair.client.write('x');
    await pair.user.until(({ told }) => told.length > 0);
    pair.client.resetAndDestroy();
    await pair.user.until(({ told }) => told.length > 1);
    deepEqual(pair.user.told, ['bytes', 'closed: ECONNRESET']);
  });

  test(`${name}: when both sides have ended the connection is closed by itself`, options, async () => {
    using pair = await acceptedPair(wires);
    pair.client.resume();
    pair.client.end();
    await pair.user.until(({ told }) => told.includes('ended'));
    pair.wire.end();
    await pair.user.until(({ told }) => told.includes('closed'));
    equal(pair.user.told.filter((what) => what === 'closed').length, 1);
  });

  test(`${name}: a connection that is cut while its end is on the way is closed, and that is told`, options, async () => {
    using pair = await acceptedPair(wires);
    const part = Buffer.alloc(4 * 1024 * 1024);
    while (!pair.wire.write(part));
    pair.wire.end();
    pair.wire.reset();
    await pair.user.until(({ told }) => told.some((what) => what.startsWith('closed')));
  });

  test(`${name}: a connection to nobody is told as refused`, options, async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { readonly port: number };
    await new Promise((resolve) => server.close(resolve));
    const user = new Recorded();
    wires.connected({ host: '127.0.0.1', port }, user, Buffer.allocUnsafeSlow(1_024));
    await user.until(({ told }) => told.length > 0);
    deepEqual(user.told, ['closed: ECONNREFUSED']);
  });

  test(`${name}: what is written before the connection is open is sent once it is`, options, async () => {
    const server = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const user = new Recorded();
    const wire = wires.connected(server.address() as unknown as { host: string; port: number }, user, Buffer.allocUnsafeSlow(1_024));
    wire.write(Buffer.from('early'));
    await user.until(({ bytes }) => bytes.length === 5);
    equal(user.bytes.toString(), 'early');
    wire.destroy();
    await user.until(({ told }) => told.includes('closed'));
    server.close();
  });

  test(`${name}: what is written before the connection is open is pending, and comes before the end`, options, async () => {
    const got: Buffer[] = [];
    const server = createServer((socket) => socket.on('data', (part) => got.push(part)).on('end', () => socket.end()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const user = new Recorded();
    const wire = wires.connected(server.address() as unknown as { host: string; port: number }, user, Buffer.allocUnsafeSlow(1_024));
    deepEqual([wire.write(Buffer.from('early ')), wire.write(Buffer.from('words')), wire.isPending], [true, true, true]);
    wire.end();
    await user.until(({ told }) => told.some((what) => what.startsWith('closed')));
    equal(Buffer.concat(got).toString(), 'early words');
    deepEqual([user.told.includes('writable'), user.told.at(-1), wire.hasSentEnd], [true, 'closed', true]);
    server.close();
  });

  for (const cut of ['reset', 'destroy'] as const) {
    test(`${name}: a connection on which ${cut} is called before it is open is closed, and nothing else is told`, options, async () => {
      const server = createServer((socket) => socket.on('error', () => undefined));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const user = new Recorded();
      const wire = wires.connected(server.address() as unknown as { host: string; port: number }, user, Buffer.allocUnsafeSlow(1_024));
      await new Promise<void>((resolve) => process.nextTick(resolve));
      wire[cut]();
      await user.until(({ told }) => told.includes('closed'));
      await new Promise((resolve) => setTimeout(resolve, 20));
      deepEqual(user.told, ['closed']);
      await new Promise((resolve) => server.close(resolve));
    });
  }

  for (const when of ['bytes', 'ended', 'writable'] as const) {
    test(`${name}: after a destroy within the call for ${when} nothing comes but the close, once`, options, async () => {
      using pair = await acceptedPair(wires);
      pair.user.heard = (what) => {
        if (what === when) pair.wire.destroy();
      };
      if (when === 'writable') {
        while (!pair.wire.write(Buffer.alloc(256 * 1024)));
        pair.client.resume();
      } else pair.client.end(noise(500_000));
      await pair.user.until(({ told }) => told.some((what) => what.startsWith('closed')));
      await new Promise((resolve) => setTimeout(resolve, 20));
      deepEqual(pair.user.told.slice(pair.user.told.indexOf(when)), [when, 'closed']);
    });
  }

  test(`${name}: connections that are over leave no file open`, options, async () => {
    const files = () => readdirSync('/proc/self/fd').length;
    {
      using pair = await acceptedPair(wires);
      pair.wire.write(Buffer.from('x'));
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = files();
    for (let round = 0; round < 20; round++) {
      const pairs = await Promise.all(Array.from({ length: 10 }, () => acceptedPair(wires)));
      for (const [at, pair] of pairs.entries()) {
        pair.client.write('hello');
        await pair.user.until(({ told }) => told.length > 0);
        if (at % 3 === 0) pair.client.destroy();
        else if (at % 3 === 1) pair.wire.reset();
        else pair.wire.destroy();
        pair[Symbol.dispose]();
        await pair.user.until(({ told }) => told.some((what) => what.startsWith('closed')));
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    equal(files(), before);
  });

  test(`${name}: more connections than there are buffers get their bytes in one turn`, options, async () => {
    const pairs = await Promise.all(Array.from({ length: 300 }, () => acceptedPair(wires)));
    const part = noise(40_000);
    for (const { client } of pairs) client.end(part);
    const until = performance.now() + 100;
    // All have come before any is read.
    while (performance.now() < until);
    for (const { user } of pairs) await user.until(({ told }) => told.includes('ended'));
    const hash = hashOf(part);
    for (const { user } of pairs) equal(hashOf(user.bytes), hash);
    for (const pair of pairs) pair[Symbol.dispose]();
  });
}
