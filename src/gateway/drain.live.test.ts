import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import type { Address } from '#world/world';
import { monotonicNow } from './dataplane/clock.ts';
import { backendAt, freePort, type LiveGateway, pause, RawClient, routeTo, startBackend, startGateway, until } from './live-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const HANDSHAKE =
  'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n';
/** A masked text frame "hello", and Close 1001 as a server sends it. */
const HELLO = Buffer.from('818501020304696762686e', 'hex');
const GOING_AWAY = Buffer.from('880203e9', 'hex');
const SLOT = 1;

/** A WebSocket to a backend that sends back every byte. */
class Tunnel {
  readonly client: RawClient;
  endedAt = 0;
  #headEnd = 0;

  constructor(address: Address) {
    this.client = new RawClient(address);
    this.client.socket.once('end', () => {
      this.endedAt = monotonicNow();
    });
  }

  async open(): Promise<this> {
    this.client.send(HANDSHAKE);
    this.#headEnd = (await this.client.receive(/\r\n\r\n/)).indexOf('\r\n\r\n') + 4;
    return this;
  }

  get received(): Buffer {
    return this.client.received.subarray(this.#headEnd);
  }

  async echoes(): Promise<void> {
    const before = this.received.length;
    this.client.send(HELLO);
    await until(() => this.received.length >= before + HELLO.length, 'the frame comes back');
  }
}

async function openTunnels(gateway: LiveGateway, count: number): Promise<readonly Tunnel[]> {
  return await Promise.all(Array.from({ length: count }, async () => await new Tunnel(gateway.address).open()));
}

async function drained(gateway: LiveGateway): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith('haven_gateway_tunnels_drained_total'));
  return Object.fromEntries(lines.map((line) => [/how="(\w+)"/.exec(line)?.[1] ?? '', Number(line.split(' ').at(-1))]));
}

const inFlight = (gateway: LiveGateway) => gateway.status()?.backends[backendAt(SLOT, 0).id]?.inFlight;

test('WebSockets of a draining backend are left alone, then told that it goes, one after the other; control hears when none is left (R-26)', async () => {
  await using old = await startBackend({ name: 'old' });
  await using next = await startBackend({ name: 'next' });
  await using gateway = await startGateway(world, { routes: [routeTo([backendAt(SLOT, old.port)])] });
  const tunnels = await openTunnels(gateway, 8);
  const drainMs = 4_000;
  const since = monotonicNow();
  await gateway.setRoute(routeTo([backendAt(SLOT, old.port, { state: 'draining', drainMs }), backendAt(2, next.port)]));
  await until(() => inFlight(gateway) === 8, 'all count as in flight');
  await pause(1_000);
  for (const tunnel of tunnels) {
    await tunnel.echoes();
    deepEqual(tunnel.received, HELLO, 'nothing but the echo has come');
  }
  await until(() => tunnels.every(({ client }) => client.isEnded), 'all end', drainMs);
  for (const { received } of tunnels) deepEqual(received, Buffer.concat([HELLO, GOING_AWAY]));
  const times = tunnels.map(({ endedAt }) => endedAt - since).toSorted((a, b) => a - b);
  ok((times[0] as number) >= drainMs / 2, `the first ended after ${times[0]} ms`);
  ok((times.at(-1) as number) - (times[0] as number) > 300, `they are spread: ${times.map(Math.round).join(' ')}`);
  await until(() => inFlight(gateway) === 0, 'nothing is in flight');
  deepEqual(await drained(gateway), { closed: 8, cut: 0 });
  // A client that comes back is served by the other one.
  const [again] = await openTunnels(gateway, 1);
  await again?.echoes();
  again?.client.close();
  for (const { client } of tunnels) client.close();
});

test('in the middle of a frame nothing is put: the tunnel ends without a word (R-26)', async () => {
  await using old = await startBackend({ name: 'old' });
  await using gateway = await startGateway(world, { routes: [routeTo([backendAt(SLOT, old.port)])] });
  const [tunnel] = await openTunnels(gateway, 1);
  ok(tunnel);
  const half = HELLO.subarray(0, 8);
  tunnel.client.send(half);
  await until(() => tunnel.received.length === half.length, 'half a frame has come back');
  await gateway.setRoute(routeTo([backendAt(SLOT, old.port, { state: 'draining', drainMs: 500 })]));
  await until(() => tunnel.client.isEnded, 'it ends', 4_000);
  deepEqual(tunnel.received, half);
  deepEqual(await drained(gateway), { closed: 0, cut: 1 });
  await until(() => inFlight(gateway) === 0, 'nothing is in flight');
  tunnel.client.close();
});

test('a drain that is taken back leaves WebSockets alone', async () => {
  await using backend = await startBackend({ name: 'a' });
  await using gateway = await startGateway(world, { routes: [routeTo([backendAt(SLOT, backend.port)])] });
  const [tunnel] = await openTunnels(gateway, 1);
  await gateway.setRoute(routeTo([backendAt(SLOT, backend.port, { state: 'draining', drainMs: 1_500 })]));
  await pause(200);
  await gateway.setRoute(routeTo([backendAt(SLOT, backend.port)]));
  await pause(2_000);
  equal(tunnel?.client.isEnded, false);
  await tunnel?.echoes();
  tunnel?.client.close();
});

test('WebSockets at a backup live on when a primary is back, or are sent home by and by where the service says so (R-23)', async () => {
  await using backup = await startBackend({ name: 'backup' });
  const port = await freePort();
  const backends = [backendAt(1, port), backendAt(2, backup.port, { tier: 'backup' })];
  const check = { probe: { kind: 'http', path: '/ready' }, intervalMs: 200, timeoutMs: 1_000, rise: 1, fall: 1 } as const;
  await using gateway = await startGateway(world, { routes: [routeTo(backends, { check })] });
  const [staying] = await openTunnels(gateway, 1);
  await using primary = await startBackend({ name: 'primary', port });
  const primaryIs = async (health: string) =>
    await until(() => gateway.status()?.backends[backendAt(1, 0).id]?.health === health, `the primary is ${health}`, 15_000);
  await primaryIs('passing');
  await pause(1_500);
  equal(staying?.client.isEnded, false, 'nobody asked for its end');
  await gateway.setRoute(routeTo(backends, { check, settings: { backupDrainMs: 2_000 } }));
  await staying?.echoes();
  await until(() => staying?.client.isEnded === true, 'it ends', 6_000);
  deepEqual(staying?.received, Buffer.concat([HELLO, GOING_AWAY]));
  deepEqual(await drained(gateway), { closed: 1, cut: 0 });
  const [home] = await openTunnels(gateway, 1);
  await pause(2_500);
  equal(home?.client.isEnded, false, 'one at the primary stays');
  primary.child.kill('SIGKILL');
  await primaryIs('failing');
  const [again] = await openTunnels(gateway, 1);
  await pause(2_500);
  equal(again?.client.isEnded, false, 'and one at the backup while it is needed');
  for (const tunnel of [staying, home, again]) tunnel?.client.close();
});

test('a gateway that ends tells its WebSockets, before its time is over (R-27)', async () => {
  await using backend = await startBackend({ name: 'a' });
  await using gateway = await startGateway(world, { routes: [routeTo([backendAt(SLOT, backend.port)])], gateway: { drainMs: 3_000 } });
  const tunnels = await openTunnels(gateway, 4);
  const stopping = gateway.stop();
  await pause(300);
  for (const tunnel of tunnels) await tunnel.echoes();
  await until(() => tunnels.every(({ client }) => client.isEnded), 'all end', 4_000);
  for (const { received } of tunnels) deepEqual(received, Buffer.concat([HELLO, GOING_AWAY]));
  for (const { client } of tunnels) client.close();
  await stopping;
});
