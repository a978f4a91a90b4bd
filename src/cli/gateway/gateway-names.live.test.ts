import { equal, ok } from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { isAlive, startBackend, until } from '#gateway/live-fixture';
import { startDns } from '#gateway/standalone/fixture-dns';

const launcher = join(import.meta.dirname, '../../../bin/haven.js');
const run = promisify(execFile);

test('an upgrade hands over what names were found to be: it serves also while the DNS server is silent', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'haven-gateway-names-'));
  await using backend = await startBackend({ name: 'a' });
  await using dns = await startDns(new Map([['api.test', { addresses: ['127.0.0.1'], ttlSeconds: 60 }]]));
  const file = join(directory, 'gateway.json');
  await writeFile(
    file,
    JSON.stringify({
      listen: '127.0.0.1:0',
      workers: 1,
      resolver: dns.address,
      routes: [{ service: 'web' }],
      services: { web: { backends: [`api.test:${backend.port}`] } },
    }),
  );
  const child = spawn(process.execPath, [launcher, 'gateway', 'run', file, '--json', '--admin', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  let successor: number | undefined;
  try {
    await until(() => out.includes('"listeners"') || child.exitCode !== null, 'the gateway serves', 20_000);
    const { listeners, admin } = JSON.parse(out.split('\n')[0] ?? '') as { listeners: string[]; admin: string };
    const ask = async () => (await fetch(`http://${listeners[0]}/`, { headers: { connection: 'close' } })).status;
    equal(await ask(), 200);
    dns.isSilent = true;
    const { stdout } = await run(process.execPath, [launcher, 'gateway', 'upgrade', '--admin', admin, '--json']);
    successor = (JSON.parse(stdout) as { pid: number }).pid;
    ok(successor !== child.pid);
    await until(() => child.exitCode !== null, 'the one that handed over ends', 15_000);
    equal(await ask(), 200);
  } finally {
    const last = successor ?? child.pid ?? 0;
    process.kill(last, 'SIGTERM');
    await until(() => !isAlive(last), 'the gateway ends', 15_000);
    await rm(directory, { recursive: true, force: true });
  }
});
