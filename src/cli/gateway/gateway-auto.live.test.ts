import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAlive, type LiveBackend, startBackend, until } from '#gateway/live-fixture';
import { type Pebble, shownFor, startPebble, WITHOUT_PEBBLE } from '#gateway/tls/acme/acme-fixture';
import { getOver, handshake } from '#gateway/tls/tls-fixture';

const launcher = join(import.meta.dirname, '../../../bin/haven.js');

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs in the folder of the authority's files, with a home of its own there. */
async function haven({ files: { folder } }: Pebble, ...args: readonly string[]): Promise<Ended> {
  return await new Promise((resolve) => {
    execFile(process.execPath, [launcher, ...args], { cwd: folder, env: environment(folder) }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    });
  });
}

function environment(folder: string): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HAVEN_HOME: join(folder, 'home') };
}

async function writeGatewayFile(pebble: Pebble, backend: LiveBackend, how: { readonly hosts: readonly string[]; readonly agree: boolean }): Promise<void> {
  const { http, tls, acme, files } = pebble;
  const lines = [
    `acme: { agree: ${how.agree}, directory: "${acme.directory}", ca: authority.pem }`,
    'listen:',
    `  - { address: "${http.host}:${http.port}", redirect: https }`,
    `  - { address: "${tls.host}:${tls.port}", tls: auto }`,
    'drain: 1s',
    'routes:',
    ...how.hosts.map((host) => `  - { host: ${host}, service: web }`),
    `services: { web: { backends: ["127.0.0.1:${backend.port}"] } }`,
  ];
  await writeFile(join(files.folder, 'gateway.yaml'), `${lines.join('\n')}\n`);
}

interface Running extends AsyncDisposable {
  readonly admin: string;
  /** Of the process that took over. */
  succeeded(pid: number): void;
}

async function runGateway({ files: { folder } }: Pebble): Promise<Running> {
  const args = ['gateway', 'run', 'gateway.yaml', '--json', '--admin', '127.0.0.1:0', '--workers', '2'];
  const child: ChildProcess = spawn(process.execPath, [launcher, ...args], { cwd: folder, env: environment(folder), stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => (log += data.toString()));
  await until(() => log.includes('"listeners"') || child.exitCode !== null, 'the gateway serves', 30_000);
  const line = log.split('\n').find((text) => text.includes('"listeners"'));
  ok(line, `it did not start: ${log}`);
  const { admin, pid } = JSON.parse(line) as { admin: string; pid: number };
  const pids = [pid];
  return {
    admin,
    succeeded: (next) => void pids.push(next),
    async [Symbol.asyncDispose]() {
      for (const one of pids) if (isAlive(one)) process.kill(one, 'SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
      await until(async () => (await fetch(`http://${admin}/ready`).catch(() => undefined)) === undefined, 'nobody serves any more', 15_000);
    },
  };
}

test('a process that takes over serves what the one before got, without an order, and gets what is new with the same account', {
  skip: WITHOUT_PEBBLE,
}, async () => {
  await using pebble = await startPebble();
  await using backend = await startBackend();
  await writeGatewayFile(pebble, backend, { hosts: ['a.test'], agree: true });
  await using gateway = await runGateway(pebble);
  const serialOf = async (name: string) => (await shownFor(pebble.tls, name))?.serialNumber;
  await until(async () => (await serialOf('a.test')) !== undefined, 'a.test has a certificate', 30_000);
  const serial = await serialOf('a.test');
  const upgraded = await haven(pebble, 'gateway', 'upgrade', '--json', '--admin', gateway.admin);
  equal(upgraded.code, 0, upgraded.err);
  gateway.succeeded((JSON.parse(upgraded.out) as { pid: number }).pid);
  equal(await serialOf('a.test'), serial);
  await writeGatewayFile(pebble, backend, { hosts: ['a.test', 'b.test'], agree: true });
  equal((await haven(pebble, 'gateway', 'reload', '--admin', gateway.admin)).code, 0);
  await until(async () => (await serialOf('b.test')) !== undefined, 'b.test has a certificate', 30_000);
  // Every worker has heard of it when it has answered this.
  await fetch(`http://${gateway.admin}/metrics`);
  equal(await serialOf('a.test'), serial);
  deepEqual([pebble.said(/Added order/), pebble.said(/There are now 1 accounts/), pebble.said(/There are now 2 accounts/)], [2, 1, 0]);
  const socket = await handshake(pebble.tls, { servername: 'b.test', ca: await pebble.root() });
  match(await getOver(socket, '/', 'b.test'), /^HTTP\/1\.1 200/);
  socket.destroy();
  const [authority = ''] = await readdir(join(pebble.files.folder, 'home', 'gateway', 'acme'));
  deepEqual(await readdir(join(pebble.files.folder, 'home', 'gateway', 'acme', authority, 'certificates')), [
    'a.test.json',
    'a.test.json.previous',
    'b.test.json',
    'b.test.json.previous',
  ]);
});

test('check orders nothing: it tells where the authority will look, and what is missing with its line', { skip: WITHOUT_PEBBLE }, async () => {
  await using pebble = await startPebble();
  await using backend = await startBackend();
  await writeGatewayFile(pebble, backend, { hosts: ['a.test'], agree: true });
  const good = await haven(pebble, 'gateway', 'check', 'gateway.yaml');
  equal(good.code, 0, good.err);
  match(good.out, /is valid: 2 listeners/);
  match(good.err, /authorities look at port 80 whether a host is ours \(http-01\), and no listener is there/);
  equal(/no certificate of the listener/.test(good.err), false);
  await writeGatewayFile(pebble, backend, { hosts: ['a.test'], agree: false });
  const bad = await haven(pebble, 'gateway', 'check', 'gateway.yaml');
  equal(bad.code, 2);
  match(bad.err, /gateway\.yaml:4[\s\S]*wants your word/);
  equal(pebble.said(/Added order/), 0);
});
