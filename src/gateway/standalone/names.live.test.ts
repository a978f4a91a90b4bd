import { deepEqual, equal } from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import { steadyLoad } from '../fixture-load.ts';
import { until } from '../live-fixture.ts';
import { startDns, type Zone } from './fixture-dns.ts';
import { fileWith, get, type Running, startStandalone } from './standalone-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'] as const;

interface Backends extends AsyncDisposable {
  readonly port: number;
}

/** A backend on each of `hosts`, all on one port; each answers with its address. */
async function startBackends(): Promise<Backends> {
  const servers: Server[] = [];
  let port = 0;
  for (const host of hosts) {
    const server = createServer((_request, response) => response.end(host));
    servers.push(server.listen(port, host));
    await once(server, 'listening');
    port = (server.address() as { port: number }).port;
  }
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

/** Which backends answer, of a few requests in a row. */
async function answering(gateway: Running): Promise<string> {
  const seen = new Set<string>();
  for (let i = 0; i < 6; i++) seen.add((await get(gateway.address)).text);
  return [...seen].sort().join(' ');
}

function zoneOf(...addresses: readonly string[]): Zone {
  return new Map([['api.test', { addresses, ttlSeconds: 0 }]]);
}

test('backends come and go with the addresses of their name under load, and no request fails', async () => {
  await using backends = await startBackends();
  await using dns = await startDns(zoneOf('127.0.0.1'));
  await using gateway = await startStandalone(world, fileWith({ backends: [`api.test:${backends.port}`] }, { resolver: dns.address }));
  equal((await get(gateway.address)).text, '127.0.0.1', 'the first request is served: the start has waited for the name');
  const load = steadyLoad({ address: gateway.address, ratePerSecond: 200, postShare: 0.2 });
  for (const addresses of [['127.0.0.1', '127.0.0.2', '127.0.0.3'], ['127.0.0.3', '127.0.0.2'], ['127.0.0.1']]) {
    dns.zone.set('api.test', { addresses, ttlSeconds: 0 });
    await until(async () => (await answering(gateway)) === [...addresses].sort().join(' '), `${addresses.join(', ')} answer`);
  }
  deepEqual((await load.stop()).failures, []);
});

test('the last addresses stay while the DNS server is silent or no longer knows the name, also through a reload', async () => {
  await using backends = await startBackends();
  await using dns = await startDns(zoneOf('127.0.0.2'));
  const service = { backends: [`api.test:${backends.port}`] };
  await using gateway = await startStandalone(world, fileWith(service, { resolver: dns.address }));
  dns.zone.clear();
  const before = dns.asked.length;
  await until(() => dns.asked.length > before + 1, 'the name was asked for twice more');
  equal((await get(gateway.address)).text, '127.0.0.2');
  dns.isSilent = true;
  gateway.file.value = fileWith({ ...service, balance: 'least-request' }, { resolver: dns.address });
  await gateway.reload();
  equal((await get(gateway.address)).text, '127.0.0.2');
});

test('a name that nobody knows keeps nobody else from being served, and its requests wait until it is found', async () => {
  await using backends = await startBackends();
  await using dns = await startDns(new Map());
  const services = { web: { backends: [`127.0.0.1:${backends.port}`] }, api: { backends: [`api.test:${backends.port}`] } };
  const file = { resolver: dns.address, routes: [{ service: 'web' }, { path: '/api', service: 'api' }], services };
  await using gateway = await startStandalone(world, fileWith({ backends: [] }, file));
  equal((await get(gateway.address)).text, '127.0.0.1');
  const waiting = get(gateway.address, {}, '/api');
  dns.zone.set('api.test', { addresses: ['127.0.0.3'], ttlSeconds: 30 });
  const answer = await waiting;
  deepEqual([answer.status, answer.text], [200, '127.0.0.3']);
});
