import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { startDataplane } from './fixture-dataplane.ts';
import { backendAt, RawClient, routeTo, until } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

test('a connection to a backend carries 1,000 requests and up to a quarter more (R-30)', async () => {
  using backend = new RecordingBackend();
  using gateway = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  const usedBy = new Map<Socket, number>();
  backend.answer = (socket) => {
    usedBy.set(socket, (usedBy.get(socket) ?? 0) + 1);
    socket.write(OK);
  };
  const client = new RawClient(gateway.address);
  for (let sent = 0; sent < 3_000; ) {
    client.send(GET.repeat(100));
    sent += 100;
    await until(() => client.text.split('\r\n\r\nok').length - 1 === sent, `${sent} answers`);
  }
  client.close();
  const requests = [...usedBy.values()];
  deepEqual(
    requests.reduce((sum, count) => sum + count, 0),
    3_000,
  );
  equal(requests.length, 3, requests.join(' '));
  for (const count of requests.slice(0, -1)) ok(count >= 1_000 && count <= 1_250, requests.join(' '));
});

test('of the connections that a burst needed, 32 are kept (R-30)', async () => {
  using backend = new RecordingBackend();
  using gateway = await startDataplane([routeTo([backendAt(1, await backend.listen())])]);
  const waiting: Socket[] = [];
  backend.answer = (socket) => waiting.push(socket);
  const clients = Array.from({ length: 80 }, () => new RawClient(gateway.address));
  for (const client of clients) client.send(GET);
  await until(() => waiting.length === clients.length, 'all requests are at the backend');
  equal(backend.open, clients.length);
  for (const socket of waiting) socket.write(OK);
  for (const client of clients) await client.receive('ok');
  await until(() => backend.open === 32, '32 are left');
  for (const client of clients) client.close();
});
