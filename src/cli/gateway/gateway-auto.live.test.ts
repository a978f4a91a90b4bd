import { deepEqual, equal, match } from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type LiveBackend, startBackend, until } from '#gateway/live-fixture';
import { type Pebble, shownFor, startPebble, WITHOUT_PEBBLE } from '#gateway/tls/acme/acme-fixture';
import { getOver, handshake } from '#gateway/tls/tls-fixture';
import { haven, type Place, runGateway } from './gateway-fixture.ts';

/** The folder of the authority's files, with a home of its own there. */
function placeOf({ files: { folder } }: Pebble): Place {
  return { directory: folder, home: 'home' };
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

test('a process that takes over serves what the one before got, without an order, and gets what is new with the same account', {
  skip: WITHOUT_PEBBLE,
}, async () => {
  await using pebble = await startPebble();
  await using backend = await startBackend();
  await writeGatewayFile(pebble, backend, { hosts: ['a.test'], agree: true });
  await using gateway = await runGateway(placeOf(pebble), { workers: 2 });
  const serialOf = async (name: string) => (await shownFor(pebble.tls, name))?.serialNumber;
  await until(async () => (await serialOf('a.test')) !== undefined, 'a.test has a certificate', 30_000);
  const serial = await serialOf('a.test');
  const upgraded = await gateway.upgrade();
  equal(upgraded.code, 0, upgraded.err);
  equal(await serialOf('a.test'), serial);
  await writeGatewayFile(pebble, backend, { hosts: ['a.test', 'b.test'], agree: true });
  equal((await haven(placeOf(pebble), 'gateway', 'reload', '--admin', gateway.admin)).code, 0);
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
  const good = await haven(placeOf(pebble), 'gateway', 'check', 'gateway.yaml');
  equal(good.code, 0, good.err);
  match(good.out, /is valid: 2 listeners/);
  match(good.err, /authorities look at port 80 whether a host is ours \(http-01\), and no listener is there/);
  equal(/no certificate of the listener/.test(good.err), false);
  await writeGatewayFile(pebble, backend, { hosts: ['a.test'], agree: false });
  const bad = await haven(placeOf(pebble), 'gateway', 'check', 'gateway.yaml');
  equal(bad.code, 2);
  match(bad.err, /gateway\.yaml:4[\s\S]*wants your word/);
  equal(pebble.said(/Added order/), 0);
});
