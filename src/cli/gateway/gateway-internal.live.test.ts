import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type LiveBackend, startBackend } from '#gateway/live-fixture';
import { getOver, handshake } from '#gateway/tls/tls-fixture';
import { haven, type Place, type RunningGateway, runGateway } from './gateway-fixture.ts';

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

function at(home: string): Place {
  return { directory, home };
}

/** The answer over a connection whose certificate the authority in the file vouches for. */
async function ask({ address }: RunningGateway, authority: string): Promise<string> {
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
    const started = await Promise.allSettled([runGateway(at(home)), runGateway(at(home))].map(async (running) => stack.use(await running)));
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
  await using gateway = await runGateway(at('upgraded'));
  const trusted = await readFile(gateway.authority, 'utf8');
  const { code, err } = await gateway.upgrade();
  equal(code, 0, err);
  equal(await readFile(gateway.authority, 'utf8'), trusted);
  for (let i = 0; i < 10; i++) match(await ask(gateway, gateway.authority), /^HTTP\/1\.1 200 /);
  equal(gateway.log().match(/authority made/g)?.length, 1);
  equal(gateway.log().includes('PRIVATE'), false);
});

test('check tells where the authority is or will be without making one, refuses one that cannot be used, and what does not go together', async () => {
  const before = await haven(at('checked'), 'gateway', 'check', 'gateway.yaml');
  equal(before.code, 0, before.err);
  const authority = join(directory, 'checked', 'gateway', 'authority', 'authority.crt');
  ok(
    before.out.includes(
      `Certificates for shop.test come from the gateway's own authority, which clients have to trust: ${authority} (made when it first runs)`,
    ),
  );
  equal(await stat(join(directory, 'checked')).catch(() => 'none'), 'none');
  await using _gateway = await runGateway(at('checked'));
  const { out } = await haven(at('checked'), 'gateway', 'check', 'gateway.yaml', '--json');
  const told = JSON.parse(out) as { authority: { certificate: string; names: string[]; fingerprint: string } };
  deepEqual([told.authority.certificate, told.authority.names], [authority, ['shop.test']]);
  match(told.authority.fingerprint, /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  await rm(join(directory, 'checked', 'gateway', 'authority', 'authority.key'));
  for (const command of ['check', 'run']) {
    const damaged = await haven(at('checked'), 'gateway', command, 'gateway.yaml');
    equal(damaged.code, 2);
    match(
      damaged.err,
      /Cannot use the authority of "tls: internal" in ".*checked\/gateway\/authority", because "authority\.key" is missing beside "authority\.crt"\. Next: restore the folder/,
    );
  }
  await writeFile(join(directory, 'both.yaml'), fileFor('tls: { internal: true, certificates: [{ cert: a.pem, key: a.key }] }'));
  const both = await haven(at('checked'), 'gateway', 'check', 'both.yaml');
  equal(both.code, 2);
  match(both.err, /listen\.tls has "certificates" and "internal": one listener has them from files or from the gateway's own authority, not both/);
  await writeFile(join(directory, 'elsewhere.yaml'), fileFor('tls: internal', 'state: ./kept\n'));
  match((await haven(at('checked'), 'gateway', 'check', 'elsewhere.yaml')).out, /\/kept\/authority\/authority\.crt \(made when it first runs\)/);
});
