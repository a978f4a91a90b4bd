import { deepEqual, equal, match, notEqual, ok, rejects } from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { mintToken, openClusterKey } from '#control/api/tokens';
import { RemoteView } from '#control/remote-view';
import { getOver, handshake } from '#gateway/tls/tls-fixture';
import { PREFIX } from '#model/keys';
import { nodeWorld } from '#world/node/node-world';
import type { Address, RunningProcess } from '#world/world';
import { DemoCluster, type HavenRun } from './demo/demo-cluster.ts';
import { addressesOf, httpsAddressOf, pathsOf } from './home.ts';
import { findRecorded } from './supervisor/keeper.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'https-route' });
const PROGRAM = `require('node:http').createServer((request, response) => {
  const text = JSON.stringify([process.env.VERSION, request.headers.host, request.headers['x-forwarded-proto']]);
  response.writeHead(200, { 'content-length': text.length }).end(text);
}).listen(process.env.PORT, process.env.HOST);
`;
let cluster: DemoCluster;
let folder = '';
let configs = 0;
let gateway: Address;
let https: Address;
let certificatePath = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haven-https-route-'));
  cluster = await DemoCluster.start(world, AbortSignal.timeout(30_000));
  gateway = addressesOf(cluster.home).gateway;
  https = httpsAddressOf(cluster.home);
  certificatePath = join(pathsOf(cluster.home).authority, 'authority.crt');
  equal((await cluster.haven('pool', 'create', 'worker', '--nodes', '2')).exitCode, 0);
});

after(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function deploy(version: string, routes: readonly object[]): Promise<HavenRun> {
  const directory = join(folder, `app-${++configs}`);
  await mkdir(directory);
  const web = {
    run: { process: 'node web.js' },
    port: 3000,
    count: 2,
    health: { ready: { tcp: true, interval: '300ms' } },
    routes,
    env: { VERSION: version },
    update: { minHealthy: '300ms' },
    stop: { drain: '2s', kill: '1s' },
  };
  await writeFile(join(directory, 'haven.config.json'), JSON.stringify({ name: 'shop', web }));
  await writeFile(join(directory, 'web.js'), PROGRAM);
  return await cluster.haven('deploy', directory);
}

/** A connection whose certificate the cluster's authority vouches for. */
async function open(servername: string): Promise<TLSSocket> {
  return await handshake(https, { ca: await readFile(certificatePath, 'utf8'), ...(servername === '' ? {} : { servername }) });
}

async function ask(host: string): Promise<string> {
  const socket = await open(host === https.host ? '' : host);
  try {
    return await getOver(socket, '/', host);
  } finally {
    socket.destroy();
  }
}

async function plain(host: string, path: string): Promise<{ readonly status: number | undefined; readonly location: string | undefined }> {
  return await new Promise((resolve, reject) => {
    request({ host: gateway.host, port: gateway.port, path, headers: { host }, agent: false }, (response) => {
      response.resume();
      resolve({ status: response.statusCode, location: response.headers.location });
    })
      .on('error', reject)
      .end();
  });
}

async function until(claim: () => Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await claim().catch(() => false)) return;
    await sleep(100);
  }
  throw new Error(`not in time: ${what}`);
}

async function part(name: string): Promise<RunningProcess | undefined> {
  return await findRecorded(world, join(pathsOf(cluster.home).run, `${name}.json`));
}

test('before a route wants HTTPS there is no authority and nobody listens', async () => {
  equal(await stat(pathsOf(cluster.home).authority).catch(() => 'none'), 'none');
  await rejects(handshake(https, {}), { code: 'ECONNREFUSED' });
});

test('a route with tls: internal is served by HTTPS with a certificate of the cluster, and sent there from HTTP; one without is not', async () => {
  const { exitCode, stdout, stderr } = await deploy('one', [{ host: 'shop.test', tls: 'internal' }, { host: 'plain.test' }, { path: '/any', tls: 'internal' }]);
  equal(exitCode, 0, stderr);
  deepEqual(stdout.trim().split('\n'), [`https://shop.test:${https.port}/`, `http://plain.test:${gateway.port}/`, `https://127.0.0.1:${https.port}/any`]);
  ok(stderr.includes(`Certificates come from the cluster's own authority, which clients have to trust: ${certificatePath}`), stderr);
  match(await ask('shop.test'), /^HTTP\/1\.1 200 [\s\S]*\["one","shop\.test","https"\]$/);
  const local = await open('');
  equal(local.getPeerCertificate().subjectaltname, 'DNS:localhost, IP Address:127.0.0.1');
  match(await getOver(local, '/any', `127.0.0.1:${https.port}`), /^HTTP\/1\.1 200 /);
  local.destroy();
  deepEqual(await plain('shop.test', '/a?b'), { status: 308, location: `https://shop.test:${https.port}/a?b` });
  deepEqual(await plain('other.test:80', '/any/x'), { status: 308, location: `https://other.test:${https.port}/any/x` });
  deepEqual((await plain('shop.test', '/.well-known/acme-challenge/x')).status, 308);
  deepEqual(await plain('plain.test', '/'), { status: 200, location: undefined });
  deepEqual(await plain('other.test', '/'), { status: 404, location: undefined });
  const status = await cluster.haven('status');
  match(status.stdout, new RegExp(`https://shop\\.test:${https.port}/ +shop/web`));
  match(status.stdout, /plain\.test\/ +shop\/web/);
  match((await cluster.haven('status', '--json')).stdout, new RegExp(`"httpsAddress":\\{"host":"127\\.0\\.0\\.1","port":${https.port}\\}`));
});

test('no key is in the store, in an answer of the API or in a log, and the authority is its owner’s alone', async () => {
  const paths = pathsOf(cluster.home);
  const pem = await readFile(join(paths.authority, 'authority.key'), 'utf8');
  const secret = pem.split('\n')[1] ?? '';
  equal(secret.length, 64);
  equal(((await stat(join(paths.authority, 'authority.key'))).mode & 0o777).toString(8), '600');
  const view = new RemoteView(world, {
    address: addressesOf(cluster.home).api,
    token: mintToken(await openClusterKey(world, paths.clusterKey), { kind: 'admin' }),
  });
  const listed = await Promise.all(
    Object.values(PREFIX).map(
      async (prefix) =>
        await view.list(prefix).then(
          ({ items }) => items,
          () => [],
        ),
    ),
  );
  const items = listed.flat();
  ok(items.length > 5);
  const texts = [JSON.stringify(items), (await cluster.haven('status', '--json')).stdout, (await cluster.haven('events', '--json')).stdout];
  const files = [paths.logs, paths.store, paths.gateway('gateway-1')];
  for (const directory of files) for (const name of await readdir(directory)) texts.push(await readFile(join(directory, name), 'latin1').catch(() => ''));
  ok(
    texts.some((text) => text.includes('authority made')),
    'that it was made is in the log',
  );
  for (const text of texts) equal(text.includes('PRIVATE KEY') || text.includes(secret), false);
});

test('a deploy under HTTPS fails no request, and the connection that was open goes on', async () => {
  const kept = await open('shop.test');
  let isLoading = true;
  const seen: string[] = [];
  const load = (async () => {
    for (; isLoading; await sleep(5)) seen.push(await ask('shop.test'), await getOver(kept, '/', 'shop.test'));
  })();
  equal((await deploy('two', [{ host: 'shop.test', tls: 'internal' }])).exitCode, 0);
  isLoading = false;
  await load;
  kept.destroy();
  deepEqual([...new Set(seen.map((answer) => /^HTTP\/1\.1 200 [\s\S]*\["(one|two)"/.exec(answer)?.[1]))].sort(), ['one', 'two']);
  ok(seen.length > 50, `${seen.length} requests`);
});

test('while control does not answer, a gateway that was killed comes back with HTTPS and the same authority', async () => {
  const trusted = await readFile(certificatePath, 'utf8');
  const before = await part('gateway');
  const control = await part('control');
  equal(await control?.signal('SIGSTOP'), true);
  try {
    await before?.signal('SIGKILL');
    await until(async () => ((await part('gateway'))?.identity.pid ?? before?.identity.pid) !== before?.identity.pid, 'another gateway runs');
    await until(async () => (await ask('shop.test')).startsWith('HTTP/1.1 200 '), 'HTTPS is served');
  } finally {
    await control?.signal('SIGCONT');
  }
  equal(await readFile(certificatePath, 'utf8'), trusted);
});

test('a host that a deploy adds has a certificate; when the last route wants no HTTPS its port is closed', async () => {
  equal(
    (
      await deploy('three', [
        { host: 'shop.test', tls: 'internal' },
        { host: 'new.test', tls: 'internal' },
      ])
    ).exitCode,
    0,
  );
  const serial = async (name: string) => {
    const socket = await open(name);
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const first = await serial('new.test');
  notEqual(first, await serial('shop.test'));
  equal(await serial('new.test'), first);
  equal((await deploy('three', [{ host: 'shop.test' }])).exitCode, 0);
  await until(async () => (await plain('shop.test', '/')).status === 200, 'HTTP is served');
  await until(
    async () =>
      await handshake(https, {}).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
      ),
    'the port is closed',
  );
});
