import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import { pause, RawClient, startBackend, until } from './live-fixture.ts';
import { fileWith, type Running, startStandalone } from './standalone/standalone-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const REQUEST = 'GET /who HTTP/1.1\r\nHost: x\r\n\r\n';
const lineOf = (address: string) => `PROXY TCP4 ${address} 198.51.100.1 4711 80\r\n`;

async function metric(gateway: Running, name: string): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(name));
  return Object.fromEntries(lines.map((line) => [/"(.*)"/.exec(line)?.[1] ?? '', Number(line.split(' ').at(-1))]));
}

const refused = async (gateway: Running) => await metric(gateway, 'haven_gateway_connections_refused_total');

test('a client has at most so many connections, by the address that a balancer gives; others are served, and who leaves makes room (R-12)', async () => {
  await using backend = await startBackend();
  const listen = { address: '127.0.0.1:0', proxyProtocol: ['127.0.0.1'] };
  const limits = { connectionsPerClient: 3 };
  await using gateway = await startStandalone(world, fileWith({ backends: [`127.0.0.1:${backend.port}`] }, { listen, limits }));
  const open = async (address: string) => {
    const client = new RawClient(gateway.address);
    client.send(lineOf(address) + REQUEST);
    await until(() => client.isEnded || /"posts":\d+\}/.test(client.text), 'answered or ended');
    return client;
  };
  const mine = [await open('203.0.113.1'), await open('203.0.113.1'), await open('203.0.113.1')];
  deepEqual(
    mine.map(({ text }) => text.slice(0, 15)),
    ['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', 'HTTP/1.1 200 OK'],
  );
  const tooMany = await open('203.0.113.1');
  deepEqual([tooMany.isEnded, tooMany.text], [true, '']);
  const other = await open('203.0.113.2');
  match(other.text, /^HTTP\/1\.1 200 /);
  equal((await metric(gateway, 'haven_gateway_client_addresses'))[''], 2);
  mine[0]?.close();
  await until(async () => {
    const again = await open('203.0.113.1');
    again.close();
    return again.text.startsWith('HTTP/1.1 200 ');
  }, 'there is room again');
  ok(((await refused(gateway))['client'] as number) >= 1);
  for (const client of [...mine, other]) client.close();
  await until(async () => (await metric(gateway, 'haven_gateway_client_addresses'))[''] === 0, 'nobody is remembered');
});

test('beyond all connections there may be, new ones are closed at once; a reload changes how many (R-12)', async () => {
  await using backend = await startBackend();
  const service = { backends: [`127.0.0.1:${backend.port}`] };
  await using gateway = await startStandalone(world, fileWith(service, { limits: { connections: 2 } }));
  const clients = [new RawClient(gateway.address), new RawClient(gateway.address)];
  for (const client of clients) {
    client.send(REQUEST);
    await client.receive(/"posts":\d+\}/);
  }
  const late = new RawClient(gateway.address);
  late.send(REQUEST);
  equal(await late.ended(), '');
  equal((await refused(gateway))['total'], 1);
  gateway.file.value = fileWith(service, { limits: { connections: 3 } });
  await gateway.reload();
  const third = new RawClient(gateway.address);
  third.send(REQUEST);
  match(await third.receive(/"posts":\d+\}/), /^HTTP\/1\.1 200 /);
  for (const client of [...clients, third]) client.close();
});

test('a trusted proxy may have as many connections as it needs', async () => {
  await using backend = await startBackend();
  const more = { limits: { connectionsPerClient: 1 }, trust: ['127.0.0.1'] };
  await using gateway = await startStandalone(world, fileWith({ backends: [`127.0.0.1:${backend.port}`] }, more));
  const clients = [1, 2, 3].map(() => new RawClient(gateway.address));
  for (const client of clients) {
    client.send(REQUEST);
    match(await client.receive(/"posts":\d+\}/), /^HTTP\/1\.1 200 /);
  }
  for (const client of clients) client.close();
});

test('a client that takes nothing of its answer is cut off, and nothing is in flight at its backend any more (R-13)', async () => {
  // More than all buffers on the way hold.
  const backend = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
      const piece = Buffer.alloc(16 * 1024, 'x');
      const more = () => {
        while (!socket.destroyed && socket.write(piece));
      };
      socket.on('drain', more);
      more();
    });
  });
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  const bound = backend.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  await using gateway = await startStandalone(world, fileWith({ backends: [`127.0.0.1:${port}`] }, { limits: { stall: '2s' } }));
  const client = new RawClient(gateway.address);
  client.socket.pause();
  client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const inFlight = async () => (await gateway.status()).services['gateway/web']?.inFlight;
  await until(async () => (await inFlight()) === 1, 'it is in flight');
  await pause(1_000);
  equal(await inFlight(), 1);
  await until(async () => (await inFlight()) === 0, 'it is cut off', 8_000);
  client.close();
  backend.close();
});
