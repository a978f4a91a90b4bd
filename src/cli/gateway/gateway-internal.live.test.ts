import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isAlive, type LiveBackend, startBackend, until } from '#gateway/live-fixture';
import { getOver, handshake } from '#gateway/tls/tls-fixture';

const launcher = join(import.meta.dirname, '../../../bin/haven.js');
let directory = '';
let backend: LiveBackend;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'haven-gateway-internal-'));
  backend = await startBackend();
  await writeFile(join(directory, 'gateway.yaml'), fileFor('tls: internal'));
});

after(async () => {
  await backend[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

function fileFor(tls: string, more = ''): string {
  return `listen:\n  address: 127.0.0.1:0\n  ${tls}\nroutes:\n  - { host: shop.test, service: web }\nservices:\n  web:\n    backends: [127.0.0.1:${backend.port}]\n${more}`;
}

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function environment(home: string): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HAVEN_HOME: join(directory, home) };
}

async function haven(home: string, ...args: readonly string[]): Promise<Ended> {
  return await new Promise((resolve) => {
    execFile(process.execPath, [launcher, ...args], { cwd: directory, env: environment(home) }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    });
  });
}

interface Running extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number };
  readonly admin: string;
  /** The path of its authority's certificate. */
  readonly authority: string;
  readonly log: () => string;
  /** Of the process that took over. */
  succeeded(pid: number): void;
}

async function runGateway(home: string): Promise<Running> {
  const args = ['gateway', 'run', 'gateway.yaml', '--json', '--admin', '127.0.0.1:0', '--workers', '1'];
  const child: ChildProcess = spawn(process.execPath, [launcher, ...args], { cwd: directory, env: environment(home), stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => (log += data.toString()));
  await until(() => log.includes('"listeners"') || child.exitCode !== null, 'the gateway serves', 30_000);
  const line = log.split('\n').find((text) => text.includes('"listeners"'));
  if (line === undefined) child.kill('SIGKILL');
  ok(line, `it did not start: ${log}`);
  const { listeners, admin, authority, pid } = JSON.parse(line) as { listeners: string[]; admin: string; authority: string; pid: number };
  const [host = '', port = ''] = (listeners[0] ?? '').split(':');
  const pids = [pid];
  return {
    address: { host, port: Number(port) },
    admin,
    authority,
    log: () => log,
    succeeded: (next) => void pids.push(next),
    async [Symbol.asyncDispose]() {
      for (const one of pids) if (isAlive(one)) process.kill(one, 'SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
      // Who took over is not our child, and may stay a zombie where there is no init.
      await until(async () => (await fetch(`http://${admin}/ready`).catch(() => undefined)) === undefined, 'nobody serves any more', 15_000);
    },
  };
}

/** The answer over a connection whose certificate the authority in the file vouches for. */
async function ask({ address }: Running, authority: string): Promise<string> {
  const socket = await handshake(address, { servername: 'shop.test', ca: await readFile(authority, 'utf8') });
  try {
    return await getOver(socket, '/', 'shop.test');
  } finally {
    socket.destroy();
  }
}

test('two gateways that start at once in one home have one authority, every time', async () => {
  for (let round = 0; round < 5; round++) {
    const home = `at-once-${round}`;
    await using stack = new AsyncDisposableStack();
    const started = await Promise.allSettled([runGateway(home), runGateway(home)].map(async (running) => stack.use(await running)));
    const gateways = started.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
    const authority = join(directory, home, 'gateway', 'authority', 'authority.crt');
    deepEqual(
      gateways.map((gateway) => gateway.authority),
      [authority, authority],
    );
    for (const gateway of gateways) match(await ask(gateway, authority), /^HTTP\/1\.1 200 /);
    deepEqual(await readdir(join(directory, home, 'gateway')), ['authority']);
  }
});

test('a process that takes over serves with the same authority', async () => {
  await using gateway = await runGateway('upgraded');
  const trusted = await readFile(gateway.authority, 'utf8');
  const { code, out, err } = await haven('upgraded', 'gateway', 'upgrade', '--admin', gateway.admin, '--json');
  equal(code, 0, err);
  gateway.succeeded((JSON.parse(out) as { pid: number }).pid);
  equal(await readFile(gateway.authority, 'utf8'), trusted);
  for (let i = 0; i < 10; i++) match(await ask(gateway, gateway.authority), /^HTTP\/1\.1 200 /);
  equal(gateway.log().match(/authority made/g)?.length, 1);
  equal(gateway.log().includes('PRIVATE'), false);
});

test('check tells where the authority is or will be without making one, refuses one that cannot be used, and what does not go together', async () => {
  const before = await haven('checked', 'gateway', 'check', 'gateway.yaml');
  equal(before.code, 0, before.err);
  const authority = join(directory, 'checked', 'gateway', 'authority', 'authority.crt');
  ok(
    before.out.includes(
      `Certificates for shop.test come from the gateway's own authority, which clients have to trust: ${authority} (made when it first runs)`,
    ),
  );
  equal(await stat(join(directory, 'checked')).catch(() => 'none'), 'none');
  await using _gateway = await runGateway('checked');
  const { out } = await haven('checked', 'gateway', 'check', 'gateway.yaml', '--json');
  const told = JSON.parse(out) as { authority: { certificate: string; names: string[]; fingerprint: string } };
  deepEqual([told.authority.certificate, told.authority.names], [authority, ['shop.test']]);
  match(told.authority.fingerprint, /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  await rm(join(directory, 'checked', 'gateway', 'authority', 'authority.key'));
  for (const command of ['check', 'run']) {
    const damaged = await haven('checked', 'gateway', command, 'gateway.yaml');
    equal(damaged.code === 0, false);
    match(
      damaged.err,
      /Cannot use the authority of "tls: internal" in ".*checked\/gateway\/authority", because "authority\.key" is missing beside "authority\.crt"\. Next: restore the folder/,
    );
  }
  await writeFile(join(directory, 'both.yaml'), fileFor('tls: { internal: true, certificates: [{ cert: a.pem, key: a.key }] }'));
  const both = await haven('checked', 'gateway', 'check', 'both.yaml');
  equal(both.code, 2);
  match(both.err, /listen\.tls has "certificates" and "internal": one listener has them from files or from the gateway's own authority, not both/);
  await writeFile(join(directory, 'elsewhere.yaml'), fileFor('tls: internal', 'state: ./kept\n'));
  match((await haven('checked', 'gateway', 'check', 'elsewhere.yaml')).out, /\/kept\/authority\/authority\.crt \(made when it first runs\)/);
});
