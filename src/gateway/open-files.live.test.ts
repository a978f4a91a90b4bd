import { deepEqual, equal, match } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { RawClient, startBackend, until } from './live-fixture.ts';
import type { LiveStatus } from './live-status.ts';

const launcher = join(import.meta.dirname, '../../bin/haven.js');
const REQUEST = 'GET /who HTTP/1.1\r\nHost: a\r\n\r\n';

test('a gateway that may open no more files goes on with the clients it has, blames no backend, and says what to raise', async () => {
  await using backend = await startBackend();
  const directory = await mkdtemp(join(tmpdir(), 'haven-files-'));
  const service = `{ backends: ['127.0.0.1:${backend.port}'], check: /ready }`;
  await writeFile(
    join(directory, 'gateway.yaml'),
    `listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nworkers: 1\nroutes: [{ service: web }]\nservices: { web: ${service} }\n`,
  );
  // A shell sets the limit that its program then has.
  const command = ['-c', 'ulimit -n 160; exec "$0" "$@"', process.execPath, launcher, 'gateway', 'run', 'gateway.yaml', '--json'];
  const child = spawn('sh', command, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (log += data.toString()));
  const clients: RawClient[] = [];
  try {
    await until(() => /"listeners":/.test(log), 'it serves');
    const ready = JSON.parse(log.split('\n').find((line) => line.includes('"listeners"')) as string) as { listeners: string[]; admin: string };
    const status = async () => (await (await fetch(`http://${ready.admin}/status`)).json()) as LiveStatus;
    const before = (await status()).workers;
    const address = { host: '127.0.0.1', port: Number(ready.listeners[0]?.split(':')[1]) };
    for (let i = 0; i < 300; i++) {
      const client = new RawClient(address);
      client.send(REQUEST);
      clients.push(client);
      await until(() => client.isEnded || client.text.includes('"posts"'), 'it is served or turned away');
    }
    const served = clients.filter(({ text }) => text.startsWith('HTTP/1.1 200 '));
    equal(served.length, 96);
    // All at once, each on a connection of its own to the backend, as far as there are files.
    for (const client of served) client.send('GET /who?wait=300 HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => served.every(({ text }) => (text.match(/"posts"/g) ?? []).length === 2), 'those that were let in are served again', 20_000);
    const { workers, services } = await status();
    deepEqual(workers, before);
    deepEqual(
      services['gateway/web']?.backends.map(({ health, failures, ejections }) => [health, failures, ejections]),
      [['passing', 0, 0]],
    );
    await until(() => log.includes('turned away'), 'it is said');
    match(log, /it may have 160 files open, so clients beyond 96 connections are turned away; raise that limit \(systemd: LimitNOFILE; shell: ulimit -n\)/);
  } finally {
    for (const client of clients) client.close();
    child.kill('SIGTERM');
    await exited;
    await rm(directory, { recursive: true, force: true });
  }
});
