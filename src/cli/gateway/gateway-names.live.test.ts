import { equal, ok } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startBackend, until } from '#gateway/live-fixture';
import { startDns } from '#gateway/standalone/fixture-dns';
import { runGateway } from './gateway-fixture.ts';

test('an upgrade hands over what names were found to be: it serves also while the DNS server is silent', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'haven-gateway-names-'));
  await using _folder = { [Symbol.asyncDispose]: async () => await rm(directory, { recursive: true, force: true }) };
  await using backend = await startBackend({ name: 'a' });
  await using dns = await startDns(new Map([['api.test', { addresses: ['127.0.0.1'], ttlSeconds: 60 }]]));
  await writeFile(
    join(directory, 'gateway.json'),
    JSON.stringify({
      listen: '127.0.0.1:0',
      resolver: dns.address,
      routes: [{ service: 'web' }],
      services: { web: { backends: [`api.test:${backend.port}`] } },
    }),
  );
  await using gateway = await runGateway({ directory }, { file: 'gateway.json' });
  const ask = async () => (await fetch(`http://${gateway.address.host}:${gateway.address.port}/`, { headers: { connection: 'close' } })).status;
  equal(await ask(), 200);
  dns.isSilent = true;
  const { code, err } = await gateway.upgrade();
  equal(code, 0, err);
  ok(gateway.pids[1] !== gateway.child.pid);
  await until(() => gateway.child.exitCode !== null, 'the one that handed over ends', 15_000);
  equal(await ask(), 200);
});
