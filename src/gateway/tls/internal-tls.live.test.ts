import { deepEqual, equal, match, notEqual, ok, rejects } from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { nodeWorld } from '#world/node/node-world';
import type { Address, Clock, UnixMs, World } from '#world/world';
import { type LiveBackend, RawClient, startBackend, until } from '../live-fixture.ts';
import { fileWith, type Running, startStandalone } from '../standalone/standalone-fixture.ts';
import { getOver, handshake } from './tls-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const dayMs = 86_400_000;
let state = '';
let backend: LiveBackend;

before(async () => {
  state = await mkdtemp(join(tmpdir(), 'haven-internal-'));
  backend = await startBackend();
});

after(async () => {
  await backend[Symbol.asyncDispose]();
  await rm(state, { recursive: true, force: true });
});

function fileFor(tls: unknown, more: object = {}): object {
  return fileWith({ backends: [`127.0.0.1:${backend.port}`] }, { listen: { address: '127.0.0.1:0', tls }, ...more });
}

async function start(file: object, folder = 'state', on: World = world): Promise<Running> {
  return await startStandalone(on, file, join(state, folder));
}

async function authority(folder = 'state'): Promise<string> {
  return await readFile(join(state, folder, 'authority', 'authority.crt'), 'utf8');
}

/** A connection whose certificate was verified for the name. */
async function open(address: Address, servername: string, folder = 'state'): Promise<TLSSocket> {
  return await handshake(address, { ca: await authority(folder), ...(servername === '' ? {} : { servername }) });
}

async function serialAt(address: Address, servername: string, folder = 'state'): Promise<string> {
  const socket = await open(address, servername, folder);
  const { serialNumber } = socket.getPeerCertificate();
  match(await getOver(socket, '/', servername), /^HTTP\/1\.1 200/);
  socket.destroy();
  return serialNumber;
}

const hosts = (...names: readonly string[]) => names.map((host) => ({ host, service: 'web' }));

test('each host has a certificate of its own that who trusts the authority accepts, and any host is served by localhost and address', async () => {
  await using gateway = await start(fileFor({ internal: true, names: ['*.wild.test'] }, { routes: [...hosts('a.test', 'B.test'), { service: 'web' }] }));
  for (const [servername, names] of [
    ['a.test', 'DNS:a.test'],
    ['b.test', 'DNS:b.test'],
    ['x.wild.test', 'DNS:*.wild.test'],
    ['localhost', 'DNS:localhost, IP Address:127.0.0.1'],
    ['', 'DNS:localhost, IP Address:127.0.0.1'],
  ] as const) {
    const socket = await open(gateway.address, servername);
    const certificate = socket.getPeerCertificate();
    ok(socket.authorized);
    equal(certificate.subjectaltname, names);
    const days = (Date.parse(certificate.valid_to) - world.clock.wall()) / dayMs;
    ok(days > 6.9 && days <= 7, `${days} days`);
    match(await getOver(socket, '/', servername === '' ? '127.0.0.1' : servername), /"X-Forwarded-Proto","https"/);
    socket.destroy();
  }
  await rejects(handshake(gateway.address, { servername: 'a.test' }), /unable to verify|self-signed|unable to get/i);
  await rejects(open(gateway.address, 'other.test'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  const socket = await open(gateway.address, 'a.test');
  match(await getOver(socket, '/', 'b.test'), /^HTTP\/1\.1 421 /);
  socket.destroy();
});

test('a reload that adds a host has a certificate for it, one that removes a host none, and the others stay the same', async () => {
  await using gateway = await start(fileFor('internal', { routes: hosts('a.test') }));
  const kept = await open(gateway.address, 'a.test');
  const serial = await serialAt(gateway.address, 'a.test');
  await rejects(open(gateway.address, 'b.test'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  gateway.file.value = fileFor('internal', { routes: hosts('b.test', 'a.test') });
  deepEqual((await gateway.reload()).warnings, []);
  notEqual(await serialAt(gateway.address, 'b.test'), serial);
  equal(await serialAt(gateway.address, 'a.test'), serial);
  match(await getOver(kept, '/', 'a.test'), /^HTTP\/1\.1 200/);
  gateway.file.value = fileFor('internal', { routes: hosts('b.test') });
  await gateway.reload();
  await rejects(open(gateway.address, 'a.test'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  kept.destroy();
});

test('a gateway without TLS becomes one with its own authority by a reload, and plain clients are sent there', async () => {
  const listen = [{ address: '127.0.0.1:0', redirect: 8_443 }, '127.0.0.2:0'];
  await using gateway = await start(fileFor('internal', { listen, routes: hosts('a.test') }), 'later');
  await rejects(authority('later'), { code: 'ENOENT' });
  gateway.file.value = fileFor('internal', { listen: [listen[0], { address: '127.0.0.2:0', tls: 'internal' }], routes: hosts('a.test') });
  await gateway.reload();
  await serialAt(gateway.listeners[1] as Address, 'a.test', 'later');
  const plain = new RawClient(gateway.address);
  plain.send('GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n');
  match(await plain.receive('use HTTPS\n'), /\r\nLocation: https:\/\/a\.test:8443\/x\r\n/);
  plain.close();
});

test('connections that are carried as they are can be secured by it as well', async () => {
  const listen = { address: '127.0.0.1:0', tls: { internal: true, names: ['db.test'] }, tcp: 'web' };
  await using gateway = await start(fileFor('', { listen, routes: undefined }));
  for (const servername of ['db.test', 'localhost']) {
    const socket = await open(gateway.address, servername);
    match(await getOver(socket, '/', servername), /^HTTP\/1\.1 200/);
    socket.destroy();
  }
});

test('certificates are renewed at two thirds of their life, under load: no request fails, no connection is dropped, and the authority stays', async () => {
  const clock = new SetClock(world.clock, -5 * dayMs);
  await using gateway = await start(fileFor('internal', { routes: hosts('a.test', 'b.test'), workers: 2 }), 'renewed', { ...world, clock });
  const trusted = await authority('renewed');
  const [oldA, oldB] = [await serialAt(gateway.address, 'a.test', 'renewed'), await serialAt(gateway.address, 'b.test', 'renewed')];
  const kept = await open(gateway.address, 'a.test', 'renewed');
  const load = { isOn: true, done: 0 };
  const each = [async () => await serialAt(gateway.address, 'a.test', 'renewed'), async () => await getOver(kept, '/', 'a.test')];
  const running = each.map(async (once) => {
    for (; load.isOn; load.done++) await once();
  });
  const loaded = async (count: number) => await until(() => load.done >= count, `${count} requests`);
  await loaded(50);
  clock.set(-dayMs);
  await loaded(load.done + 50);
  equal(await serialAt(gateway.address, 'b.test', 'renewed'), oldB, 'not before two thirds');
  clock.set(0);
  await until(async () => (await serialAt(gateway.address, 'a.test', 'renewed')) !== oldA, 'a.test has a new certificate');
  await loaded(load.done + 50);
  notEqual(await serialAt(gateway.address, 'b.test', 'renewed'), oldB);
  load.isOn = false;
  await Promise.all(running);
  match(await getOver(kept, '/', 'a.test'), /^HTTP\/1\.1 200/);
  kept.destroy();
  equal(await authority('renewed'), trusted);
  const page = await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text();
  const expiry = Number(/^haven_gateway_certificate_expiry_seconds\{certificate="a\.test"\} (\d+)$/m.exec(page)?.[1]);
  ok(expiry * 1_000 > world.clock.wall() + 6.9 * dayMs, `${expiry}`);
});

test('with an authority that is damaged it does not start, and makes no other', async () => {
  await using first = await start(fileFor('internal'), 'damaged');
  await first.stop();
  const path = join(state, 'damaged', 'authority', 'authority.key');
  await writeFile(path, '');
  await rejects(start(fileFor('internal'), 'damaged'), { code: 'INVALID', message: /"authority\.key" is damaged/ });
  equal(await readFile(path, 'utf8'), '');
});

/** A clock that tells a time of day of its own. When that is set, timers of a minute or more are over, as on a machine that has slept. */
class SetClock implements Clock {
  readonly #clock: Clock;
  readonly #long = new Set<() => void>();
  #offsetMs: number;

  constructor(clock: Clock, offsetMs: number) {
    this.#clock = clock;
    this.#offsetMs = offsetMs;
  }

  set(offsetMs: number): void {
    this.#offsetMs = offsetMs;
    for (const end of [...this.#long]) end();
  }

  now(): ReturnType<Clock['now']> {
    return this.#clock.now();
  }

  wall(): UnixMs {
    return (this.#clock.wall() + this.#offsetMs) as UnixMs;
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    await this.#clock.sleep(delayMs, signal);
  }

  after(delayMs: number, callback: () => void): Disposable {
    const timer = this.#clock.after(delayMs, () => end());
    const dispose = () => {
      timer[Symbol.dispose]();
      this.#long.delete(end);
    };
    const end = () => {
      dispose();
      callback();
    };
    if (delayMs >= 60_000) this.#long.add(end);
    return { [Symbol.dispose]: dispose };
  }
}
