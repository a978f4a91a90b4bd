import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '#gateway/live-fixture';
import { nodeWorld } from '#world/node/node-world';
import { DemoCluster, type HavenRun } from './demo/demo-cluster.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'tcp-route' });
const PROGRAM = `const server = require('node:net').createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.write(process.env.VERSION + '\\n');
  socket.pipe(socket);
});
server.listen(process.env.PORT, process.env.HOST);
`;
let cluster: DemoCluster;
let folder = '';
let configs = 0;
let port = 0;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haven-tcp-route-'));
  cluster = await DemoCluster.start(world, AbortSignal.timeout(30_000));
  equal((await cluster.haven('pool', 'create', 'worker', '--nodes', '2')).exitCode, 0);
  port = await freePort();
});

after(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function deploy(name: string, version: string): Promise<HavenRun> {
  const directory = join(folder, `app-${++configs}`);
  await mkdir(directory);
  const db = {
    run: { process: 'node db.js' },
    port: 3000,
    count: 2,
    health: { ready: { tcp: true, interval: '300ms' } },
    routes: [{ tcp: port }],
    env: { VERSION: version },
    update: { minHealthy: '300ms' },
    stop: { drain: '4s', kill: '1s' },
  };
  await writeFile(join(directory, 'haven.config.json'), JSON.stringify({ name, db }));
  await writeFile(join(directory, 'db.js'), PROGRAM);
  return await cluster.haven('deploy', directory);
}

/** A connection that has been told which version is at its other end; undefined if it failed before. */
async function open(): Promise<{ readonly socket: Socket; readonly version: string } | undefined> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  const version = await new Promise<string | undefined>((resolve) => {
    socket.once('data', (data: Buffer) => resolve(data.toString().trim()));
    socket.once('close', () => resolve(undefined));
  });
  return version === undefined ? undefined : { socket, version };
}

test('an app has a port of the gateway; a deploy under new connections fails none, and those that are open end within the drain', async () => {
  const first = await deploy('store', 'one');
  equal(first.exitCode, 0, first.stderr);
  match(first.stdout + first.stderr, new RegExp(`tcp://127\\.0\\.0\\.1:${port}`));
  const old = await open();
  equal(old?.version, 'one');
  const ended = new Promise<boolean>((resolve) => old?.socket.once('close', (hadError) => resolve(hadError)));
  let isLoading = true;
  const seen: (string | undefined)[] = [];
  const load = (async () => {
    while (isLoading) {
      const opened = await open();
      seen.push(opened?.version);
      opened?.socket.destroy();
      await sleep(10);
    }
  })();
  const second = await deploy('store', 'two');
  equal(second.exitCode, 0, second.stderr);
  equal(await ended, false, 'the open connection ended in order, not by a reset');
  isLoading = false;
  await load;
  deepEqual([...new Set(seen)].sort(), ['one', 'two'], 'no connection failed');
  ok(seen.length > 50, `${seen.length} connections`);
  equal((await open())?.version, 'two');
  const status = await cluster.haven('status');
  match(status.stdout, new RegExp(`tcp:${port} +store/db`));
});

test('a port belongs to one app', async () => {
  const { exitCode, stderr } = await deploy('other', 'three');
  equal(exitCode, 6);
  match(stderr, new RegExp(`db\\.routes\\.0 is the route tcp:${port} of "store/db" already`));
});

test('the port is closed when its app is gone', async () => {
  equal((await cluster.haven('rm', 'store', '--yes')).exitCode, 0);
  let isClosed = false;
  for (let i = 0; i < 100 && !isClosed; i++) {
    isClosed = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port }, () => {
        socket.destroy();
        resolve(false);
      });
      socket.on('error', () => resolve(true));
    });
    await sleep(100);
  }
  ok(isClosed);
});
