import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { steadyLoad } from '#gateway/fixture-load';
import { isAlive, type LiveBackend, RawClient, startBackend, until } from '#gateway/live-fixture';
import { haven, type RunningGateway, runGateway } from './gateway-fixture.ts';

let directory = '';
let backends: readonly LiveBackend[] = [];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'haven-gateway-upgrade-'));
  backends = await Promise.all(['a', 'b', 'c'].map(async (name) => await startBackend({ name, delayMs: 5 })));
});

after(async () => {
  for (const backend of backends) await backend[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

function fileOf(more = ''): string {
  const list = backends.map(({ port }) => `127.0.0.1:${port}`).join(', ');
  return `listen: 127.0.0.1:0\nroutes:\n  - service: web\nservices:\n  web:\n    backends: [${list}]\n    check: /ready\n${more}`;
}

/** With three backends. */
async function runWith(workers: number): Promise<RunningGateway> {
  await writeFile(join(directory, 'gateway.yaml'), fileOf());
  return await runGateway({ directory }, { workers });
}

for (const workers of [1, 2]) {
  test(`three upgrades under load fail no request, GET or POST (workers: ${workers})`, async () => {
    await using gateway = await runWith(workers);
    await until(
      async () => (await gateway.status()).services['gateway/web']?.backends.every(({ health }) => health === 'passing') ?? false,
      'all backends pass',
    );
    const load = steadyLoad({ address: gateway.address, ratePerSecond: 300, postShare: 0.3 });
    for (let round = 0; round < 3; round++) {
      await sleep(400);
      const { code, err } = await gateway.upgrade();
      equal(code, 0, err);
      // What was known of the backends goes on.
      const { services, workers: serving } = await gateway.status();
      deepEqual(
        services['gateway/web']?.backends.map(({ health }) => health === 'passing' || health === 'unknown'),
        [true, true, true],
      );
      equal(serving.length, workers);
    }
    await sleep(400);
    const { sent, failures } = await load.stop();
    ok(sent > 500, `${sent} were sent`);
    deepEqual(failures, []);
    equal(new Set(gateway.pids).size, 4);
    await until(() => !gateway.pids.slice(0, 3).some(isAlive), 'those that handed over end', 15_000);
    ok(isAlive(gateway.pids[3] as number));
    equal(gateway.log().match(/"listeners"/g)?.length, 4);
  });
}

test('a request in flight and a tunnel go on in the process that handed over; it ends with the last of them', async () => {
  await using gateway = await runWith(1);
  const slow = new RawClient(gateway.address);
  slow.send('GET /?wait=3000 HTTP/1.1\r\nHost: x\r\n\r\n');
  const socket = new RawClient(gateway.address);
  socket.send(
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  await socket.receive('101 Switching Protocols');
  equal((await gateway.upgrade()).code, 0);
  socket.send('still here');
  await socket.receive('still here');
  match(await slow.receive(/"posts":\d+\}/), /^HTTP\/1\.1 200 [\s\S]*Connection: close/i);
  ok(isAlive(gateway.pids[0] as number));
  socket.close();
  await until(() => !isAlive(gateway.pids[0] as number), 'the first process ends', 10_000);
});

test('a new process that cannot serve changes nothing: the old one stays, and the command says why', async () => {
  await using gateway = await runWith(1);
  const load = steadyLoad({ address: gateway.address, ratePerSecond: 200, postShare: 0.3 });
  await writeFile(join(directory, 'gateway.yaml'), fileOf('wokers: 1\n'));
  const bad = await gateway.upgrade();
  equal(bad.code, 1);
  match(bad.err, /Cannot hand over to a new process, because [\s\S]*wokers is not a known key; did you mean "workers"\?[\s\S]*This one goes on serving/);
  await writeFile(join(directory, 'gateway.yaml'), '');
  equal((await gateway.upgrade()).code, 1);
  const { sent, failures } = await load.stop();
  ok(sent > 50);
  deepEqual(failures, []);
  await writeFile(join(directory, 'gateway.yaml'), fileOf());
  equal((await haven({ directory }, 'gateway', 'reload', '--admin', gateway.admin)).code, 0);
  const { pid } = JSON.parse((await gateway.upgrade()).out) as { pid: number };
  ok(isAlive(pid));
});

test('while somebody asks whether it is ready, a gateway that is stopped says no before it takes no more connections (R-27)', async () => {
  await using gateway = await runWith(1);
  const ready = async () => (await fetch(`http://${gateway.admin}/ready`).catch(() => undefined))?.status;
  equal(await ready(), 200);
  gateway.child.kill('SIGTERM');
  await until(async () => (await ready()) === 503, 'it says that it ends');
  await sleep(1_000);
  const late = new RawClient(gateway.address);
  late.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  match(await late.receive(/"posts":\d+\}/), /^HTTP\/1\.1 200 /);
  late.close();
  equal(await ready(), 503);
});
