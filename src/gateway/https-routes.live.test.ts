import { equal, match, rejects } from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import type { Address } from '#world/world';
import { backendAt, freePort, type LiveBackend, type LiveGateway, RawClient, routeTo, startBackend, startGateway, until } from './live-fixture.ts';
import { getOver, handshake } from './tls/tls-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test', writeLog: () => undefined });

interface Site extends AsyncDisposable {
  readonly folder: string;
  readonly https: Address;
  readonly backend: LiveBackend;
  start(...hosts: readonly string[]): Promise<LiveGateway>;
  route(...hosts: readonly string[]): ReturnType<typeof routeTo>;
  ask(host: string): Promise<string>;
}

async function newSite(): Promise<Site> {
  const parent = await mkdtemp(join(tmpdir(), 'haven-https-'));
  const folder = join(parent, 'authority');
  const https = { host: '127.0.0.1', port: await freePort() };
  const backend = await startBackend();
  const route = (...hosts: readonly string[]) =>
    routeTo([backendAt(1, backend.port)], { matches: hosts.map((host) => ({ host, path: '/', tls: 'internal' as const })) });
  return {
    folder,
    https,
    backend,
    route,
    start: async (...hosts) => await startGateway(world, { routes: [route(...hosts)], gateway: { https: { address: https, authorityFolder: folder } } }),
    async ask(host) {
      const socket = await handshake(https, { servername: host, ca: await readFile(join(folder, 'authority.crt'), 'utf8') });
      try {
        return await getOver(socket, '/', host);
      } finally {
        socket.destroy();
      }
    },
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]();
      await rm(parent, { recursive: true, force: true });
    },
  };
}

async function serves(site: Site, host: string): Promise<void> {
  await until(async () => (await site.ask(host).catch(() => '')).startsWith('HTTP/1.1 200'), `${host} is served by HTTPS`, 20_000);
}

test('routes come and go: each host has its certificate, and its end is in the metrics', async () => {
  await using site = await newSite();
  await using gateway = await site.start('a.test');
  await serves(site, 'a.test');
  await gateway.setRoute(site.route('a.test', 'b.test'));
  await serves(site, 'b.test');
  equal(gateway.status()?.httpsAddress?.port, site.https.port);
  equal(gateway.status()?.httpsProblem, undefined);
  const page = await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text();
  match(page, /^haven_gateway_certificate_expiry_seconds\{certificate="b\.test"\} \d+$/m);
  await gateway.setRoute(site.route('b.test'));
  await until(async () => await rejected(site, 'a.test'), 'a.test has no certificate any more');
});

test('while another program has the port the report says so, HTTP is sent there and not served unsecured; when it is free HTTPS is served', async () => {
  await using site = await newSite();
  const other = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => other.listen(site.https.port, site.https.host, resolve));
  await using gateway = await site.start('a.test');
  await until(() => gateway.status()?.httpsProblem !== undefined, 'the report tells of it');
  match(gateway.status()?.httpsProblem ?? '', new RegExp(`^Cannot listen on 127\\.0\\.0\\.1:${site.https.port}, because another program listens there`));
  const client = new RawClient(gateway.address);
  client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  match(await client.receive('use HTTPS\n'), new RegExp(`^HTTP/1\\.1 308 [\\s\\S]*Location: https://a\\.test:${site.https.port}/\r\n`));
  client.close();
  await new Promise((resolve) => other.close(resolve));
  await serves(site, 'a.test');
  await until(() => gateway.status()?.httpsProblem === undefined, 'the report is well again');
});

test('with an authority that is damaged the report says what and where, HTTP goes on, and what was mended is used', async () => {
  await using site = await newSite();
  {
    await using _first = await site.start('a.test');
    await serves(site, 'a.test');
  }
  const path = join(site.folder, 'authority.key');
  const key = await readFile(path, 'utf8');
  await writeFile(path, key.slice(0, 60));
  await using gateway = await site.start('a.test');
  await until(() => gateway.status()?.httpsProblem !== undefined, 'the report tells of it');
  match(
    gateway.status()?.httpsProblem ?? '',
    /^Cannot use the authority of "tls: internal" in ".*", because "authority\.key" is damaged: .*: restore the folder from a backup/,
  );
  await rejects(handshake(site.https, {}), { code: 'ECONNREFUSED' });
  await gateway.setRoute({
    ...site.route('a.test'),
    matches: [
      { host: 'plain.test', path: '/' },
      { host: 'a.test', path: '/', tls: 'internal' },
    ],
  });
  const client = new RawClient(gateway.address);
  client.send('GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n');
  match(await client.receive('"url"'), /^HTTP\/1\.1 200 /);
  client.close();
  await writeFile(path, key);
  await serves(site, 'a.test');
});

async function rejected(site: Site, host: string): Promise<boolean> {
  return await site.ask(host).then(
    () => false,
    () => true,
  );
}
