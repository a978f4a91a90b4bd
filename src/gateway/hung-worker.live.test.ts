import { deepEqual, equal, notEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import { backendAt, pause, routeTo, startBackend, startGateway, until } from './live-fixture.ts';
import type { LiveStatus } from './live-status.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test', writeLog: () => undefined });
const options = { timeout: 60_000 };

async function status(port: number): Promise<LiveStatus> {
  return (await (await fetch(`http://127.0.0.1:${port}/status`)).json()) as LiveStatus;
}

test('a worker that answers nothing for ten seconds is ended and replaced', options, async () => {
  await using backend = await startBackend();
  await using gateway = await startGateway(world, { routes: [routeTo([backendAt(1, backend.port)])] });
  const pidOf = async () => (await status(gateway.admin.port)).workers[0]?.pid;
  const hung = await pidOf();
  process.kill(hung as number, 'SIGSTOP');
  await until(async () => (await pidOf()) !== hung, 'another serves', 20_000);
  notEqual(await pidOf(), undefined);
  equal((await fetch(`http://127.0.0.1:${gateway.address.port}/`)).status, 200);
});

test('a parent that was itself stopped for longer takes nobody for hung: it first hears what workers said meanwhile', options, async () => {
  await using backend = await startBackend();
  await using gateway = await startGateway(world, { routes: [routeTo([backendAt(1, backend.port)])] });
  const before = await status(gateway.admin.port);
  // The parent is this process.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 11_000);
  await pause(3_000);
  deepEqual((await status(gateway.admin.port)).workers, before.workers);
});
