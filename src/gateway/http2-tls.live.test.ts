import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import { Http2Client } from './fixture-dataplane.ts';
import { CODE, FRAME, FrameClient, frame } from './fixture-frames.ts';
import { type LiveBackend, pause, startBackend, until } from './live-fixture.ts';
import { fileWith, type Running, startStandalone } from './standalone/standalone-fixture.ts';
import { type CertificateFiles, certificateFiles, getOver, handshake } from './tls/tls-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const both = ['h2', 'http/1.1'];
let backend: LiveBackend;
let files: CertificateFiles;
let certificates: object[];
let gateway: Running;

before(async () => {
  backend = await startBackend({ name: 'one' });
  files = await certificateFiles();
  certificates = [await files.write('main', ['main.test'])];
  gateway = await startStandalone(world, secureFile());
});

after(async () => {
  await gateway.stop();
  await files[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});

function secureFile(more: object = {}): object {
  return fileWith({ backends: [`127.0.0.1:${backend.port}`] }, { listen: { address: '127.0.0.1:0', tls: { certificates }, ...more } });
}

function asking(...protocols: string[]) {
  return { servername: 'main.test', ca: files.authority.chain, ALPNProtocols: protocols };
}

test('HTTP/2 is spoken to those that ask for it, HTTP/1.1 to the others, and to all where the listener says so', async () => {
  for (const [asked, spoken] of [
    [both, 'h2'],
    [['http/1.1', 'h2'], 'h2'],
    [['http/1.1'], 'http/1.1'],
  ] as const) {
    const socket = await handshake(gateway.address, asking(...asked));
    equal(socket.alpnProtocol, spoken);
    socket.destroy();
  }
  const without = await handshake(gateway.address, { servername: 'main.test', ca: files.authority.chain });
  match(await getOver(without, '/', 'main.test'), /^HTTP\/1\.1 200 OK/);
  without.destroy();
  await using plain = await startStandalone(world, secureFile({ http2: false }));
  const socket = await handshake(plain.address, asking(...both));
  equal(socket.alpnProtocol, 'http/1.1');
  match(await getOver(socket, '/', 'main.test'), /^HTTP\/1\.1 200 OK/);
  socket.destroy();
});

test('bodies of any size arrive whole both ways over TLS, and a backend is told that it was HTTPS', async () => {
  using client = new Http2Client(gateway.address, asking('h2'));
  const echo = async (body: Buffer) =>
    JSON.parse((await client.ask({ ':method': 'POST' }, body)).body.toString()) as { bytes: number; sha: string; headers: string[] };
  for (const size of [1, 70_000, 2_000_000]) {
    const body = Buffer.alloc(size, 'abcdefghij');
    const { bytes, sha, headers } = await echo(body);
    deepEqual([bytes, sha], [size, createHash('sha1').update(body).digest('hex')]);
    equal(headers[headers.indexOf('X-Forwarded-Proto') + 1], 'https');
    equal(headers[headers.indexOf('Via') + 1], '2.0 haven');
  }
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => client.ask({ ':path': `/${i}?wait=5` })));
  ok(answers.every(({ status }) => status === 200));
});

test('over one connection, streams for a host with another certificate, or with other rules for clients, are told to come over another; the others are served', async () => {
  const [first, second] = [await files.write('a', ['a.test', 'a2.test', 'closed.test']), await files.write('b', ['b.test'])];
  const backends = [`127.0.0.1:${backend.port}`];
  const file = {
    listen: { address: '127.0.0.1:0', tls: { certificates: [first, second] } },
    routes: [...['a.test', 'a2.test', 'b.test'].map((host) => ({ host, service: 'open' })), { host: 'closed.test', service: 'closed' }],
    services: { open: { backends }, closed: { backends, clientCa: `${files.folder}/authority.pem` } },
  };
  await using strict = await startStandalone(world, fileWith({ backends }, file));
  const alice = await files.client('alice');
  const statuses = async (servername: string, identity: object, authorities: readonly string[]) => {
    using client = new Http2Client(strict.address, { servername, ca: files.authority.chain, ALPNProtocols: ['h2'], ...identity });
    // All at once: one that is refused takes nothing from those beside it.
    return (await Promise.all(authorities.map(async (authority) => await client.ask({ ':authority': authority })))).map(({ status }) => status);
  };
  deepEqual(await statuses('a.test', {}, ['a.test', 'b.test', 'A2.TEST:443', 'closed.test', 'a2.test']), [200, 421, 200, 421, 200]);
  const withCertificate = { cert: alice.chain, key: alice.key };
  deepEqual(await statuses('closed.test', withCertificate, ['closed.test', 'b.test', 'closed.test']), [200, 421, 200]);
  deepEqual(await statuses('a.test', withCertificate, ['closed.test']), [421]);
  using stranger = new Http2Client(strict.address, { servername: 'closed.test', ca: files.authority.chain, ALPNProtocols: ['h2'] });
  equal((await stranger.ask({ ':authority': 'closed.test' })).status, 0, 'no certificate, no request');
});

test('a flood ends its connection over TLS too, and the worker goes on', async () => {
  const socket = await handshake(gateway.address, asking('h2'));
  const client = new FrameClient(socket);
  const pings = Buffer.concat(Array.from({ length: 500 }, () => frame(0x42, 0, 0, Buffer.alloc(8))));
  for (let i = 0; i < 2_000 && !client.isEnded; i++) {
    socket.write(pings);
    await pause(0);
  }
  await client.ended();
  equal(client.goawayCode, CODE.enhanceYourCalm);
  using other = new Http2Client(gateway.address, asking('h2'));
  equal((await other.ask()).status, 200);
});

test('a client that goes away in the middle ends its request, whatever was under way', async () => {
  for (const leave of ['destroy', 'end'] as const) {
    const socket = await handshake(gateway.address, asking('h2'));
    const client = new FrameClient(socket);
    client.get(1, '/?wait=5000');
    const inFlight = async () => (await gateway.status()).services['gateway/web']?.inFlight;
    await until(async () => (await inFlight()) === 1, 'it is in flight');
    socket[leave]();
    await until(async () => (await inFlight()) === 0, 'it is not any more');
  }
});

test('a drain names the last request over TLS, and new connections go to the gateway that listens', async () => {
  await using other = await startStandalone(world, { ...secureFile(), drain: '12s' });
  const client = new FrameClient(await handshake(other.address, asking('h2')));
  client.get(1, '/?wait=4000');
  await until(async () => (await other.status()).services['gateway/web']?.inFlight === 1, 'it is in flight');
  const stopped = other.stop();
  await client.ended(12_000);
  deepEqual([client.status(1), client.goawayCode, client.of(FRAME.goaway)[0]?.payload.readUInt32BE(0)], [200, CODE.none, 1]);
  await stopped;
});
