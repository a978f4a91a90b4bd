import { deepEqual, equal } from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { Service } from './dataplane/service.ts';
import { startDataplane } from './fixture-dataplane.ts';
import { backendAt, RawClient, routeTo, until } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** Answers the first request of each connection; the next finds it gone, as after a backend's own time for idle ones. */
function answersOnce(): (socket: Socket) => void {
  const used = new WeakSet<Socket>();
  return (socket) => {
    if (used.has(socket)) socket.destroy();
    else socket.write(OK);
    used.add(socket);
  };
}

/** What waiting and tries a service's requests took. */
function took({ counts }: Service): { readonly waited: number; readonly retried: Readonly<Record<string, number>> } {
  return { waited: counts.held, retried: Object.fromEntries(counts.retriesByReason) };
}

async function answers(client: RawClient, count: number): Promise<void> {
  await until(() => client.text.split('\r\n\r\nok').length - 1 === count, `${count} answers`);
}

test('a kept connection that went stale costs a request to the only backend a new connection, and no wait', async () => {
  using backend = new RecordingBackend();
  backend.answer = answersOnce();
  using gateway = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  const client = new RawClient(gateway.address);
  for (let i = 1; i <= 3; i++) {
    client.send(GET);
    await answers(client, i);
  }
  client.close();
  deepEqual(took(gateway.dataplane.services.get('shop/web') as Service), { waited: 0, retried: { stale: 2 } });
});

test('where one kept connection is stale others may be: the same backend is asked again on a new one', async () => {
  using backend = new RecordingBackend();
  const waiting: Socket[] = [];
  backend.answer = (socket) => waiting.push(socket);
  using gateway = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  const clients = Array.from({ length: 4 }, () => new RawClient(gateway.address));
  for (const client of clients) client.send(GET);
  await until(() => waiting.length === clients.length, 'each has a connection of its own');
  const kept = new Set(waiting);
  for (const socket of waiting) socket.write(OK);
  for (const client of clients) await answers(client, 1);
  backend.answer = (socket) => (kept.has(socket) ? socket.destroy() : socket.write(OK));
  clients[0]?.send(GET);
  await answers(clients[0] as RawClient, 2);
  for (const client of clients) client.close();
  deepEqual(took(gateway.dataplane.services.get('shop/web') as Service), { waited: 0, retried: { stale: 1 } });
  equal(backend.connections, 5);
});

test('a backend that is out is not asked because a kept connection of a good one went stale', async () => {
  using good = new RecordingBackend();
  good.answer = answersOnce();
  using out = new RecordingBackend();
  using gateway = await startDataplane([routeTo([backendAt(1, await good.listen()), backendAt(2, await out.listen())])]);
  const { dataplane } = gateway;
  const key = [...dataplane.backends.keys()][1] as string;
  dataplane.setHealth([{ key, health: 'failing', reachable: false, byHttp: true }]);
  const client = new RawClient(gateway.address);
  for (let i = 1; i <= 2; i++) {
    client.send(GET);
    await answers(client, i);
  }
  client.close();
  deepEqual(took(dataplane.services.get('shop/web') as Service), { waited: 0, retried: { stale: 1 } });
  equal(out.connections, 0);
});

test('another backend is asked first, because the one whose kept connection ended may be gone', async () => {
  using first = new RecordingBackend();
  using second = new RecordingBackend();
  using gateway = await startDataplane([routeTo([backendAt(1, await first.listen()), backendAt(2, await second.listen())])]);
  const client = new RawClient(gateway.address);
  client.send(GET);
  await answers(client, 1);
  const [used, other] = first.connections === 1 ? [first, second] : [second, first];
  client.send(GET);
  await answers(client, 2);
  used.answer = (socket) => socket.destroy();
  client.send(GET);
  await answers(client, 3);
  client.close();
  deepEqual(took(gateway.dataplane.services.get('shop/web') as Service), { waited: 0, retried: { stale: 1 } });
  deepEqual([used.connections, other.requests.length], [1, 2]);
});
