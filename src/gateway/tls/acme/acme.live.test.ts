import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import type { LogFields, UnixMs, World } from '#world/world';
import { startBackend, until } from '../../live-fixture.ts';
import { fileWith, get, type Running, startStandalone } from '../../standalone/standalone-fixture.ts';
import { getOver, handshake } from '../tls-fixture.ts';
import { type Pebble, shownFor, startPebble, WITHOUT_PEBBLE } from './acme-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test', writeLog: () => undefined });
const minuteMs = 60_000;
const dayMs = 86_400_000;

for (const challenge of ['http-01', 'tls-alpn-01'] as const)
  test(`each name gets a certificate by ${challenge}, which is served for it and no other name`, { skip: WITHOUT_PEBBLE }, async () => {
    await using pebble = await startPebble();
    await using backend = await startBackend();
    await using gateway = await startStandalone(world, fileFor(pebble, backend, { challenge }, ['a.test', 'b.test']), join(pebble.files.folder, 'state'));
    await issued(gateway, pebble, ['a.test', 'b.test']);
    const root = await pebble.root();
    for (const name of ['a.test', 'b.test']) {
      const socket = await handshake(pebble.tls, { servername: name, ca: root });
      equal(socket.getPeerCertificate().subjectaltname, `DNS:${name}`);
      match(await getOver(socket, '/', name), /^HTTP\/1\.1 200/);
      socket.destroy();
    }
    await rejects(handshake(pebble.tls, { servername: 'c.test', ca: root }), { code: 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME' });
    match(await metrics(gateway), /haven_gateway_certificate_orders_total\{result="issued"\} 2\n/);
    match(await metrics(gateway), /haven_gateway_certificate_expiry_seconds\{certificate="a\.test"\} \d+\n/);
  });

test('a certificate is renewed under load when two thirds of its life are over: no request fails, connections go on, new ones get the new one', {
  skip: WITHOUT_PEBBLE,
}, async () => {
  await using pebble = await startPebble({ remembersProofs: true });
  await using backend = await startBackend();
  const clock = changedClock();
  await using gateway = await startStandalone(clock.world, fileFor(pebble, backend, {}, ['a.test']), join(pebble.files.folder, 'state'));
  await issued(gateway, pebble, ['a.test']);
  const options = { servername: 'a.test', ca: await pebble.root() };
  const serial = async () => {
    const socket = await handshake(pebble.tls, options);
    const { serialNumber } = socket.getPeerCertificate();
    match(await getOver(socket, '/', 'a.test'), /^HTTP\/1\.1 200/);
    socket.destroy();
    return serialNumber;
  };
  const before = await serial();
  const kept = await handshake(pebble.tls, options);
  const load = { isOn: true, done: 0, serials: new Set<string>() };
  const once = [async () => load.serials.add(await serial()), async () => await getOver(kept, '/', 'a.test')];
  const running = once.map(async (act) => {
    while (load.isOn) {
      await act();
      load.done++;
    }
  });
  await until(() => load.done > 20, 'the load runs');
  const [certificate] = [(await shownFor(pebble.tls, 'a.test')) ?? { valid_from: '', valid_to: '' }];
  const lifeMs = Date.parse(certificate.valid_to) - Date.parse(certificate.valid_from);
  clock.aheadMs = 0.6 * lifeMs;
  await gateway.reload();
  equal(await serial(), before);
  clock.aheadMs = 0.7 * lifeMs;
  await gateway.reload();
  await until(() => load.serials.size === 2, 'another one is served', 30_000);
  const doneThen = load.done;
  await until(() => load.done > doneThen + 20, 'the load goes on');
  load.isOn = false;
  await Promise.all(running);
  match(await metrics(gateway), /haven_gateway_certificate_orders_total\{result="renewed"\} 1\n/);
  // By this clock the new one is as old, and is not ordered again for that.
  deepEqual([pebble.said(/Added order/), pebble.said(/Pulled a task/)], [2, 1]);
  kept.destroy();
});

test('an authority that is down at the start takes nothing down: HTTP is served, handshakes are refused, and the certificate comes later', {
  skip: WITHOUT_PEBBLE,
}, async () => {
  await using pebble = await startPebble({ isDown: true });
  await using backend = await startBackend();
  const clock = changedClock();
  await using gateway = await startStandalone(clock.world, fileFor(pebble, backend, {}, ['a.test'], {}), join(pebble.files.folder, 'state'));
  await until(async () => (await metrics(gateway)).includes('certificate_orders_total{result="unreachable"} 1\n'), 'the order failed');
  equal((await get(pebble.http, { host: 'a.test' })).status, 200);
  await rejects(handshake(pebble.tls, { servername: 'a.test' }), { code: 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME' });
  const { cause, next, served } = clock.logged('certificate not issued');
  match(String(cause), /^Cannot reach https:\/\/127\.\S+\/dir, because connect ECONNREFUSED/);
  equal(served, 'none: handshakes with this name are refused');
  const waitMs = Date.parse(String(next)) - Date.now();
  ok(waitMs > 20_000 && waitMs < 80_000, `${waitMs} ms`);
  await pebble.start();
  clock.aheadMs = 2 * minuteMs;
  await gateway.reload();
  await issued(gateway, pebble, ['a.test']);
});

test('an authority that goes, and forgets its accounts, leaves what is served; the next order after it is back finds its way', {
  skip: WITHOUT_PEBBLE,
}, async () => {
  await using pebble = await startPebble();
  await using backend = await startBackend();
  const clock = changedClock();
  await using gateway = await startStandalone(clock.world, fileFor(pebble, backend, {}, ['a.test']), join(pebble.files.folder, 'state'));
  await issued(gateway, pebble, ['a.test']);
  const before = (await shownFor(pebble.tls, 'a.test'))?.serialNumber;
  await pebble.stop();
  clock.aheadMs = 1_300 * dayMs;
  await gateway.reload();
  await until(async () => (await metrics(gateway)).includes('certificate_orders_total{result="unreachable"} 1\n'), 'the order failed');
  match(String(clock.logged('certificate not issued')['served']), /^the one before, until 2\d\d\d-/);
  equal((await shownFor(pebble.tls, 'a.test'))?.serialNumber, before);
  await pebble.start();
  await until(async () => {
    clock.aheadMs += 2 * minuteMs;
    await gateway.reload();
    const now = (await shownFor(pebble.tls, 'a.test'))?.serialNumber;
    return now !== undefined && now !== before;
  }, 'another one is served');
});

test('what is kept is served after a restart without an order, and a new name is ordered with the same account; only the owner may read it', {
  skip: WITHOUT_PEBBLE,
}, async () => {
  await using pebble = await startPebble();
  await using backend = await startBackend();
  const state = join(pebble.files.folder, 'state');
  const accounts = async (hosts: readonly string[]) => {
    const clock = changedClock();
    await using gateway = await startStandalone(clock.world, fileFor(pebble, backend, {}, hosts), state);
    if (hosts.length === 1) ok((await shownFor(pebble.tls, 'a.test')) !== undefined || pebble.said(/Added order/) === 0, 'it is served at once');
    await issued(gateway, pebble, hosts);
    return { serial: (await shownFor(pebble.tls, 'a.test'))?.serialNumber, account: clock.find(/^account /)?.['account'] };
  };
  const first = await accounts(['a.test']);
  equal(pebble.said(/Added order/), 1);
  const again = await accounts(['a.test']);
  deepEqual(again, { serial: first.serial, account: undefined });
  equal(pebble.said(/Added order/), 1);
  deepEqual(await accounts(['a.test', 'b.test']), first);
  equal(pebble.said(/Added order/), 2);
  for (const entry of await readdir(state, { recursive: true, withFileTypes: true }))
    equal((await stat(join(entry.parentPath, entry.name))).mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, entry.name);
});

test('two gateways of one state folder that start at once share the account, and what one has got the other serves', { skip: WITHOUT_PEBBLE }, async () => {
  await using pebble = await startPebble();
  await using backend = await startBackend();
  await pebble.lead('b.test', pebble.otherHost);
  const state = join(pebble.files.folder, 'state');
  const other: Pebble = { ...pebble, host: pebble.otherHost, http: { ...pebble.http, host: pebble.otherHost }, tls: { ...pebble.tls, host: pebble.otherHost } };
  const [one, two] = await Promise.all([
    startStandalone(world, fileFor(pebble, backend, {}, ['a.test']), state),
    startStandalone(world, fileFor(other, backend, {}, ['b.test']), state),
  ]);
  await using gateways = new AsyncDisposableStack();
  gateways.use(one);
  gateways.use(two);
  await Promise.all([issued(one, pebble, ['a.test']), issued(two, other, ['b.test'])]);
  two.file.value = fileFor(other, backend, {}, ['b.test', 'a.test']);
  await two.reload();
  equal((await shownFor(other.tls, 'a.test'))?.serialNumber, (await shownFor(pebble.tls, 'a.test'))?.serialNumber);
  deepEqual([pebble.said(/Added order/), pebble.said(/There are now 2 accounts/)], [2, 0]);
});

test('nonces that are refused are no failures', { skip: WITHOUT_PEBBLE }, async () => {
  await using pebble = await startPebble({ refusedNonces: 40 });
  await using backend = await startBackend();
  const hosts = ['a.test', 'b.test', 'c.test', 'd.test', 'e.test'];
  await using gateway = await startStandalone(world, fileFor(pebble, backend, {}, hosts), join(pebble.files.folder, 'state'));
  await issued(gateway, pebble, hosts);
  match(await metrics(gateway), /haven_gateway_certificate_orders_total\{result="issued"\} 5\n/);
  equal(/result="(?:refused|failed|unreachable)"/.test(await metrics(gateway)), false);
  // One account, and for each host once: an order, a challenge, a request for the certificate, and the certificate.
  const tries = pebble.said(/POST \/(?:sign-me-up|order-plz|chalZ|finalize-order|certZ)/);
  ok(tries > 1 + 4 * hosts.length, `${tries} requests`);
});

test('a host that the authority cannot see to be ours is refused with its words, and leaves others alone; mended and reloaded, it gets its certificate', {
  skip: WITHOUT_PEBBLE,
}, async () => {
  await using pebble = await startPebble();
  await using backend = await startBackend();
  const clock = changedClock();
  await pebble.lead('bad.test', '127.0.0.1');
  await using gateway = await startStandalone(clock.world, fileFor(pebble, backend, {}, ['bad.test', 'a.test']), join(pebble.files.folder, 'state'));
  await issued(gateway, pebble, ['a.test']);
  await until(async () => (await metrics(gateway)).includes('certificate_orders_total{result="refused"} 1\n'), 'the order failed');
  const { host, cause, failures } = clock.logged('certificate not issued');
  deepEqual([host, failures], ['bad.test', 1]);
  match(String(cause), /^Cannot show that bad\.test is ours by http-01, because the authority says: .*127\.0\.0\.1/);
  equal(await shownFor(pebble.tls, 'bad.test'), undefined);
  // Nobody tried again within the minute.
  await gateway.reload();
  equal((await get(pebble.http, { host: 'a.test' }, '/.well-known/acme-challenge/of-a-backend')).status, 200);
  equal(pebble.said(/Added order/), 2);
  await pebble.lead('bad.test', pebble.host);
  clock.aheadMs = 2 * minuteMs;
  await gateway.reload();
  await issued(gateway, pebble, ['bad.test']);
});

/** `plain`: what the listener without TLS has besides. */
function fileFor(pebble: Pebble, backend: { readonly port: number }, acme: object, hosts: readonly string[], plain: object = { redirect: 'https' }): object {
  const listen = [
    { address: `${pebble.host}:${pebble.http.port}`, ...plain },
    { address: `${pebble.host}:${pebble.tls.port}`, tls: 'auto' },
  ];
  const routes = hosts.map((host) => ({ host, service: 'web' }));
  return fileWith({ backends: [`127.0.0.1:${backend.port}`] }, { listen, routes, acme: { ...pebble.acme, ...acme }, workers: 2, drain: '1s' });
}

/** Resolves once each name has a certificate in every worker. */
async function issued(gateway: Running, pebble: Pebble, names: readonly string[]): Promise<void> {
  for (const name of names) await until(async () => (await shownFor(pebble.tls, name)) !== undefined, `${name} has a certificate`, 30_000);
  // One worker has it, so all were told; who answers this has heard that.
  await metrics(gateway);
}

async function metrics(gateway: Running): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text();
}

type Facts = LogFields;

interface ChangedClock {
  aheadMs: number;
  readonly world: World;
  /** The facts of the first line that matches. */
  find(pattern: RegExp): Facts | undefined;
  logged(message: string): Facts;
}

/** The machine's world with a wall clock that can be set ahead, and what is logged. */
function changedClock(): ChangedClock {
  const lines: { readonly message: string; readonly facts: Facts }[] = [];
  const { clock } = world;
  const find = (pattern: RegExp) => lines.find(({ message }) => pattern.test(message))?.facts;
  const changed: ChangedClock = {
    aheadMs: 0,
    find,
    logged: (message: string) => find(new RegExp(`^${message}$`)) ?? {},
    world: {
      ...world,
      clock: {
        now: () => clock.now(),
        wall: () => (clock.wall() + changed.aheadMs) as UnixMs,
        sleep: async (delayMs, signal) => await clock.sleep(delayMs, signal),
        after: (delayMs, callback) => clock.after(delayMs, callback),
      },
      log: { ...world.log, write: (_level, message, facts = {}) => void lines.push({ message, facts }) },
    },
  };
  return changed;
}
