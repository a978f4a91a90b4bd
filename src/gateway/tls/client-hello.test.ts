import { deepEqual, equal, ok } from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import fc from 'fast-check';
import { readClientHello } from './client-hello.ts';

/** What a client really sends first. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const sent = Promise.withResolvers<Buffer>();
  const server = createServer((socket) => {
    let bytes = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (part) => {
      bytes = Buffer.concat([bytes, part]);
      if (typeof readClientHello(bytes) === 'number') return;
      sent.resolve(bytes);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const client = connect({ host: '127.0.0.1', port: typeof bound === 'object' && bound !== null ? bound.port : 0, rejectUnauthorized: false, ...options });
  client.on('error', () => undefined);
  try {
    return await sent.promise;
  } finally {
    client.destroy();
    server.close();
  }
}

/** The same message in records of at most `size` bytes. */
function fragmented(record: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 5; at < record.length; at += size) {
    const part = record.subarray(at, at + size);
    parts.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(parts);
}

test('the name and the protocols of a real hello are read, in lower case and in order', async () => {
  const bytes = await helloOf({ servername: 'Shop.Example.COM', ALPNProtocols: ['h2', 'http/1.1'] });
  deepEqual(readClientHello(bytes), { serverName: 'shop.example.com', protocols: ['h2', 'http/1.1'], ticketKeys: [] });
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const bare = await helloOf({ minVersion: version, maxVersion: version });
    deepEqual(readClientHello(bare), { serverName: undefined, protocols: [], ticketKeys: [] });
  }
});

test('a hello is the same however it is cut into records and reads; before its end it says how much is missing at least', async () => {
  const whole = await helloOf({ servername: 'a.test', ALPNProtocols: ['http/1.1'] });
  const expected = readClientHello(whole);
  ok(typeof expected === 'object');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), fc.nat(), (size, cut) => {
      const bytes = fragmented(whole, size);
      deepEqual(readClientHello(bytes), expected);
      const end = cut % bytes.length;
      const needed = readClientHello(bytes.subarray(0, end));
      ok(typeof needed === 'number' && needed > end && needed <= bytes.length);
    }),
  );
});

test('whatever bytes come, the answer is a hello, a length or "bad", and never an exception', async () => {
  const whole = await helloOf({ servername: 'a.test', ALPNProtocols: ['http/1.1'] });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), fc.nat(), (changes, length) => {
      const bytes = Buffer.from(whole.subarray(0, 1 + (length % whole.length)));
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      const hello = readClientHello(bytes);
      ok(hello === 'bad' || typeof hello === 'number' || hello.serverName === undefined || /^[a-z0-9_][a-z0-9_.-]*$/.test(hello.serverName));
    }),
    { numRuns: 3_000 },
  );
});

test('HTTP, an empty record, another kind of message and a name that is none are told apart', () => {
  equal(readClientHello(Buffer.from('GET / HTTP/1.1\r\n')), 'bad');
  equal(readClientHello(Buffer.from([22, 3, 1, 0, 0])), 'bad');
  equal(readClientHello(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])), 'bad');
  equal(readClientHello(Buffer.from([22, 3, 1, 0xff, 0xff])), 'bad');
  equal(readClientHello(Buffer.alloc(0)), 5);
});
