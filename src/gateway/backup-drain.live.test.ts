import { equal, ok } from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { backendKey } from './dataplane/backend.ts';
import { monotonicNow } from './dataplane/clock.ts';
import type { ListenerSettings } from './dataplane/listener-settings.ts';
import { startDataplane } from './fixture-dataplane.ts';
import { backendAt, freePort, pause, RawClient, routeTo } from './live-fixture.ts';

/** What is open at a backup when primaries serve again: R-23 and `backupDrain`. */

const UPGRADE =
  'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
const backupDrainMs = 2_000;
const KINDS: Readonly<Record<string, ListenerSettings>> = { WebSocket: {}, 'TCP connection': { tcp: 'shop/web' } };

/** Grants each client its WebSocket, and sends nothing more. */
async function startGranting(t: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(SWITCHED));
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

/** A service whose primary refuses connections, whatever its checks say: clients land at its backup. */
async function startBeside(t: TestContext, settings: ListenerSettings) {
  const primary = backendAt(1, await freePort());
  const backup = backendAt(2, await startGranting(t), { tier: 'backup' });
  const live = await startDataplane([routeTo([primary, backup], { settings: { backupDrainMs } })], settings);
  t.after(() => live[Symbol.dispose]());
  const primaryIs = (health: 'passing' | 'failing') =>
    live.dataplane.setHealth([
      { key: backendKey(primary), health, reachable: true, byHttp: true },
      { key: backendKey(backup), health: 'passing', reachable: true, byHttp: true },
    ]);
  const open = async (): Promise<RawClient> => {
    const client = new RawClient(live.address);
    t.after(() => client.close());
    client.send(UPGRADE);
    await client.receive('101 Switching Protocols');
    return client;
  };
  return { primaryIs, open };
}

for (const [kind, settings] of Object.entries(KINDS)) {
  test(`a ${kind} that comes to a backup long after primaries are back lives there as long as one that was open then (R-23)`, async (t) => {
    const { primaryIs, open } = await startBeside(t, settings);
    primaryIs('passing');
    await pause(backupDrainMs * 1.5);
    const before = monotonicNow();
    const client = await open();
    await client.ended();
    const lastedMs = monotonicNow() - before;
    ok(lastedMs >= backupDrainMs / 2, `it was ended after ${lastedMs} ms`);
  });

  test(`a ${kind} at a backup stays when the primaries that were back are gone again before its end (R-23)`, async (t) => {
    const { primaryIs, open } = await startBeside(t, settings);
    primaryIs('failing');
    const client = await open();
    primaryIs('passing');
    await pause(backupDrainMs / 10);
    primaryIs('failing');
    await pause(backupDrainMs * 1.5);
    equal(client.isEnded, false);
  });
}
