import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectSecurely } from 'node:tls';
import { nodeWorld } from '#world/node/node-world';
import type { Address } from '#world/world';
import { APP, backendAt, pause, RawClient, routeTo, startBackend, startGateway, startTcpBackend, until, WEB } from './live-fixture.ts';
import { type Running, startStandalone } from './standalone/standalone-fixture.ts';
import { certificateFiles } from './tls/tls-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const quick = { tcp: true, interval: '200ms', rise: 1, fall: 1 };
const at = ({ port }: { readonly port: number }) => `127.0.0.1:${port}`;

function fileFor(service: object, listener: object = {}): object {
  return {
    listen: { address: '127.0.0.1:0', tcp: 'db', ...listener },
    admin: '127.0.0.1:0',
    workers: 1,
    drain: '3s',
    services: { db: { check: quick, slowStart: '0s', ...service } },
  };
}

async function allPass(gateway: Running, count: number): Promise<void> {
  await until(async () => {
    const { services } = await gateway.status();
    return services['gateway/db']?.backends.filter(({ health }) => health === 'passing').length === count;
  }, `${count} pass`);
}

/** A connection that has been told who is at its other end. */
async function open(address: Address, before = ''): Promise<{ readonly client: RawClient; readonly name: string }> {
  const client = new RawClient(address);
  if (before !== '') client.send(before);
  const text = await client.receive(/^\w+\n/);
  return { client, name: /^\w+/.exec(text)?.[0] ?? '' };
}

async function metricLines(gateway: Running, name: string): Promise<readonly string[]> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith(name));
}

test('connections are carried as they are, in turns, both ways, and end one side at a time', async () => {
  await using a = await startTcpBackend({ name: 'a' });
  await using b = await startTcpBackend({ name: 'b' });
  await using gateway = await startStandalone(world, fileFor({ backends: [at(a), at(b)] }));
  await allPass(gateway, 2);
  const names: string[] = [];
  for (let i = 0; i < 6; i++) {
    const { client, name } = await open(gateway.address);
    names.push(name);
    client.send('hello');
    await client.receive(`${name}\nhello`);
    // What is sent last arrives before the end, and what comes back after our end is still delivered.
    client.socket.end('last');
    equal(await client.ended(), `${name}\nhellolast`);
  }
  deepEqual(names.toSorted(), ['a', 'a', 'a', 'b', 'b', 'b']);
  await until(async () => (await gateway.status()).services['gateway/db']?.inFlight === 0, 'nothing is left');
  deepEqual(
    (await metricLines(gateway, 'haven_gateway_tcp_')).filter((line) => !line.endsWith(' 0')),
    [
      'haven_gateway_tcp_connections_total{service="gateway/db"} 6',
      'haven_gateway_tcp_bytes_total{service="gateway/db",to="backends"} 54',
      'haven_gateway_tcp_bytes_total{service="gateway/db",to="clients"} 66',
      'haven_gateway_tcp_ended_total{service="gateway/db",reason="client"} 6',
    ],
  );
});

test('twenty megabytes arrive whole and in order both ways, however slowly one side reads, and the gateway keeps none of them', async () => {
  await using a = await startTcpBackend({ name: 'a' });
  await using gateway = await startStandalone(world, fileFor({ backends: [at(a)] }));
  const { client } = await open(gateway.address);
  const sent = randomBytes(20 * 1024 * 1024);
  const hash = createHash('sha256');
  let received = 0;
  client.socket.removeAllListeners('data');
  client.socket.on('data', (bytes: Buffer) => {
    hash.update(bytes);
    received += bytes.length;
  });
  await until(async () => (await gateway.status()).memoryBytes > 0, 'memory is known');
  const before = (await gateway.status()).memoryBytes;
  client.socket.end(sent);
  client.socket.pause();
  await pause(2_500);
  // Whatever does not fit into the kernel's buffers waits at whoever sends it.
  const grown = (await gateway.status()).memoryBytes - before;
  ok(grown < 16 * 1024 * 1024, `${grown} bytes more`);
  client.socket.resume();
  await until(() => client.isEnded, 'all came back', 20_000);
  equal(received, sent.length);
  equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'));
});

test('a backend that refuses is passed over before anything is sent; with nobody left a connection waits for one that comes', async () => {
  await using a = await startTcpBackend({ name: 'a' });
  await using b = await startTcpBackend({ name: 'b' });
  await using gateway = await startStandalone(world, fileFor({ backends: [at(a), at(b)], check: { tcp: true, interval: '10s' } }));
  await allPass(gateway, 2);
  const { port } = b;
  b.child.kill('SIGKILL');
  await once(b.child, 'exit');
  for (let i = 0; i < 4; i++) {
    const { client, name } = await open(gateway.address);
    equal(name, 'a');
    client.close();
  }
  a.child.kill('SIGKILL');
  await once(a.child, 'exit');
  const waiting = new RawClient(gateway.address);
  waiting.send('early');
  await pause(400);
  equal(waiting.isEnded, false);
  await using again = await startTcpBackend({ name: 'again', port });
  await waiting.receive('again\nearly');
  waiting.close();
  ok(again.port === port);
});

test('the standby gets connections only while no primary is usable; those of one client stay together under hash', async () => {
  await using a = await startTcpBackend({ name: 'a' });
  await using b = await startTcpBackend({ name: 'b' });
  await using c = await startTcpBackend({ name: 'c' });
  const service = { backends: [at(a), { address: at(b), tier: 'backup' }] };
  await using gateway = await startStandalone(world, fileFor(service, { proxyProtocol: ['127.0.0.1'] }));
  await allPass(gateway, 2);
  const from = (last: number) => `PROXY TCP4 203.0.113.${last} 198.51.100.1 4711 5432\r\n`;
  for (let i = 0; i < 3; i++) {
    const { client, name } = await open(gateway.address, from(i));
    equal(name, 'a');
    client.close();
  }
  gateway.file.value = fileFor({ backends: [at(a), at(b), at(c)], balance: 'hash?load=100' }, { proxyProtocol: ['127.0.0.1'] });
  await gateway.reload();
  await allPass(gateway, 3);
  const homes = new Set<string>();
  for (let client = 1; client <= 36; client++) {
    const names = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const opened = await open(gateway.address, from(client));
      names.add(opened.name);
      opened.client.close();
    }
    equal(names.size, 1, 'a client has one home');
    for (const name of names) homes.add(name);
  }
  equal(homes.size, 3);
  gateway.file.value = fileFor({ backends: [at(a), { address: at(b), tier: 'backup' }] }, { proxyProtocol: ['127.0.0.1'] });
  await gateway.reload();
  a.child.kill('SIGKILL');
  await once(a.child, 'exit');
  const { client, name } = await open(gateway.address, from(1));
  equal(name, 'b');
  client.close();
});

test('connections of a backend that drains live on, get no company, and end one by one before the drain is over (R-26)', async () => {
  await using a = await startTcpBackend({ name: 'a' });
  await using b = await startTcpBackend({ name: 'b' });
  const both = { backends: [at(a), at(b)], drain: '4s' };
  await using gateway = await startStandalone(world, fileFor(both));
  await allPass(gateway, 2);
  const opened = await Promise.all(Array.from({ length: 12 }, async () => await open(gateway.address)));
  const ofA = opened.filter(({ name }) => name === 'a').map(({ client }) => client);
  equal(ofA.length, 6);
  gateway.file.value = fileFor({ ...both, backends: [{ address: at(a), drain: true }, at(b)] });
  await gateway.reload();
  await pause(1_000);
  for (const client of ofA) {
    client.send('still here');
    await client.receive('still here');
  }
  for (let i = 0; i < 3; i++) {
    const { client, name } = await open(gateway.address);
    equal(name, 'b');
    client.close();
  }
  equal((await gateway.status()).services['gateway/db']?.backends[0]?.inFlight, 6);
  await until(() => ofA.every(({ isEnded }) => isEnded), 'all of them end', 5_000);
  ok(opened.filter(({ name }) => name === 'b').every(({ client }) => !client.isEnded));
  deepEqual(
    (await metricLines(gateway, 'haven_gateway_tcp_ended_total')).filter((line) => line.includes('drain')),
    ['haven_gateway_tcp_ended_total{service="gateway/db",reason="drain"} 6'],
  );
  for (const { client } of opened) client.close();
});

test('a backend that resets is seen as that by its client, one that hangs up as an end; idle connections end', async () => {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket);
    socket.write('hi\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  await using gateway = await startStandalone(
    world,
    fileFor({ backends: [`127.0.0.1:${port}`], check: { tcp: true, interval: '1h' }, timeouts: { idle: '1500ms' } }),
  );
  await allPass(gateway, 1);
  sockets.length = 0;
  const resets = await open(gateway.address);
  const failure = once(resets.client.socket, 'error');
  sockets.at(-1)?.resetAndDestroy();
  match(String((await failure)[0]), /ECONNRESET/);
  const ends = await open(gateway.address);
  sockets.at(-1)?.end('bye');
  equal(await ends.client.ended(), 'hi\nbye');
  ends.client.close();
  const idle = await open(gateway.address);
  await pause(500);
  equal(idle.client.isEnded, false);
  await until(() => idle.client.isEnded, 'it ends for idleness', 4_000);
  for (const socket of sockets) socket.destroy();
  server.close();
});

test('secure connections are opened at the gateway where its listener is secure', async () => {
  await using files = await certificateFiles();
  await using a = await startTcpBackend({ name: 'a' });
  const tls = { certificates: [await files.write('main', ['main.test'])] };
  await using gateway = await startStandalone(world, fileFor({ backends: [at(a)] }, { tls }));
  const socket = connectSecurely({ host: gateway.address.host, port: gateway.address.port, servername: 'main.test', ca: files.authority.chain });
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  socket.write('over TLS');
  await until(() => text === 'a\nover TLS', 'it comes back');
  const ended = once(socket, 'end');
  socket.end('!');
  await ended;
  equal(text, 'a\nover TLS!');
});

test('in a cluster a route has its port, moves with its service, and what is open counts for the order of stopping (S1)', async () => {
  await using a = await startTcpBackend({ name: 'a' });
  await using b = await startTcpBackend({ name: 'b' });
  await using web = await startBackend();
  const port = 7_995;
  const check = { probe: { kind: 'tcp' }, intervalMs: 500, timeoutMs: 500, rise: 1, fall: 1 } as const;
  const routes = [backendAt(1, a.port), backendAt(2, b.port)];
  await using gateway = await startGateway(world, { routes: [routeTo(routes, { tcpPorts: [port], check })] });
  const address = { host: '127.0.0.1', port };
  const opened = [await open(address), await open(address)];
  deepEqual(opened.map(({ name }) => name).toSorted(), ['a', 'b']);
  await gateway.setRoute(routeTo([backendAt(1, a.port, { state: 'draining', drainMs: 2_000 }), backendAt(2, b.port)], { tcpPorts: [port], check }));
  await until(() => gateway.status()?.backends[backendAt(1, 0).id]?.inFlight === 1, 'the connection counts');
  const ofA = opened.find(({ name }) => name === 'a')?.client;
  await until(() => ofA?.isEnded === true, 'it ends with the drain', 4_000);
  await until(() => gateway.status()?.backends[backendAt(1, 0).id]?.inFlight === 0, 'nothing is left');
  await gateway.setRoute(routeTo([backendAt(3, web.port)]));
  await until(async () => {
    const client = new RawClient(address);
    await until(() => client.isEnded, 'refused');
    return true;
  }, 'the port is closed with its route');
  for (const { client } of opened) client.close();
  equal(`${APP}/${WEB}`, 'shop/web');
});
