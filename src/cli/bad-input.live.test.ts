import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { connect } from '@haven/sdk';
import { DEFAULT_LOG_LIMIT_BYTES } from '#agent/agent';
import { makeHeader } from '#agent/archive/tar-format';
import { nodeWorld } from '#world/node/node-world';
import { DemoCluster, type HavenRun } from './demo/demo-cluster.ts';
import { exitCodeOfDeploy, failureLines } from './deploy-result.ts';
import { addressesOf, pathsOf } from './home.ts';
import { findSupervisor } from './lifecycle.ts';
import { findRecorded } from './supervisor/keeper.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'bad-input' });
/** The agent looks at a file that grows fast at least this often, however busy the machine is. */
const LOOK_MS = 500;
const FLOOD_MS = 4_000;
const PATIENCE_MS = 30_000;
let cluster: DemoCluster;
let folder = '';
let configs = 0;

/** What a person is told, by whatever way, and the exit code of the command that tells it. */
interface Told {
  readonly exitCode: number;
  readonly text: string;
}

interface BadInput {
  readonly name: string;
  readonly give: () => Promise<Told>;
  readonly exitCode: number;
  /** What, where, why, and what next: the words without which the message would not help. */
  readonly says: readonly RegExp[];
}

const good = { run: { process: 'node web.js' }, port: 3000, health: '/', update: { minHealthy: '300ms' }, stop: { drain: '1s', kill: '1s' } };

const BAD_INPUTS: readonly BadInput[] = [
  {
    name: 'an unknown key',
    give: () => deploy({ name: 'bad', web: { ...good, helth: '/' } }),
    exitCode: 2,
    says: [/haven\.config\.json:\d+: web\.helth is not a known key; did you mean "health"\?/],
  },
  {
    name: 'wrong units',
    give: () => deploy({ name: 'bad', web: { ...good, resources: { memory: '128 megs' }, stop: { drain: '10 secs' } } }),
    exitCode: 2,
    says: [/2 mistakes/, /haven\.config\.json:\d+: web\.resources\.memory must be .*"?512Mi/, /haven\.config\.json:\d+: web\.stop\.drain must be .*"?10s/],
  },
  {
    name: 'more than any node has',
    give: () => deploy({ name: 'bad', web: { ...good, resources: { cpu: 500, memory: '64Mi' } } }),
    exitCode: 3,
    says: [/bad failed: .*web\.1/, /needs 500 cores/, /Next: haven why bad/],
  },
  {
    name: 'the same route twice in an app',
    give: () => deploy({ name: 'bad', web: { ...good, routes: [{ path: '/x' }] }, api: { ...good, routes: [{ path: '/x' }] } }),
    exitCode: 2,
    says: [/haven\.config\.json:\d+: api\.routes\.0 repeats the route "\*" "\/x" of service "web": a request goes to one service only/],
  },
  {
    name: 'a route of another app',
    give: () => deploy({ name: 'bad', web: { ...good, routes: [{ path: '/well' }] } }),
    exitCode: 6,
    says: [/haven\.config\.json:\d+: web\.routes\.0 is the route \*\/well of "well\/web" already/, /choose another host or path/],
  },
  {
    name: "a port of Haven's own that another program has",
    give: async () => {
      const second = { directory: join(folder, 'second'), portBase: cluster.home.portBase + 310 };
      await using _other = await listen(addressesOf(second).gateway.port);
      return told(await cluster.havenWith({ HAVEN_HOME: second.directory, HAVEN_PORT_BASE: String(second.portBase) }, 'up'));
    },
    exitCode: 6,
    says: [/Cannot start Haven, because port \d+, meant for its gateway, is in use by another program/, /Next: stop that program, or set HAVEN_PORT_BASE/],
  },
  {
    name: 'a fixed port of the node that another program has',
    give: async () => {
      const port = cluster.home.portBase + 305;
      await using _other = await listen(port);
      return await deploy({ name: 'bad', web: { ...good, hostPort: port } });
    },
    exitCode: 1,
    says: [/bad failed: .*Cannot use port \d+, because a program outside Haven listens on 127\.0\.0\.1:\d+/, /web\.1/, /worker-\d/, /Next: haven why bad/],
  },
  {
    name: 'a command that does not exist',
    give: () => deploy({ name: 'bad', web: { ...good, run: { process: 'no-such-program --serve' } } }),
    exitCode: 1,
    says: [/bad failed: .*Cannot start "no-such-program", because it is in no folder of PATH=/, /web\.1/, /worker-\d/, /Next: haven why bad/],
  },
  {
    name: 'an archive whose path leaves the folder',
    give: async () => {
      const client = await sdk();
      const header = makeHeader({ path: '../../../escaped', type: '0', mode: 0o644, sizeBytes: 0, target: '' });
      const bytes = gzipSync(Buffer.concat([header, new Uint8Array(1024)]));
      const artifact = `sha256-${createHash('sha256').update(bytes).digest('hex')}`;
      await client.putArtifact(artifact, bytes);
      const result = await client.deployAndWait({ name: 'bad', web: { ...good } }, { artifact });
      const escaped = (await readdir(cluster.home.directory, { recursive: true })).filter((path) => path.includes('escaped'));
      deepEqual(escaped, [], 'nothing is written outside');
      return { exitCode: exitCodeOfDeploy(result), text: failureLines(result).join('\n') };
    },
    exitCode: 1,
    says: [/Cannot unpack sha256-[0-9a-f]+: Cannot take "\.\.\/\.\.\/\.\.\/escaped" of the archive, because its path leaves the folder by "\.\."/, /web\.1/],
  },
  {
    name: 'a folder with a link that leaves it',
    give: async () => {
      const directory = await writeConfig({ name: 'bad', web: good });
      const { symlink } = await import('node:fs/promises');
      await symlink('../../../etc/passwd', join(directory, 'link'));
      return told(await cluster.haven('deploy', directory));
    },
    exitCode: 2,
    says: [
      /Cannot pack .*app-\d+: Cannot take "link" of the archive, because it is a link to ".*", which leaves the folder/,
      /Next: mend it, or name it in \.havenignore/,
    ],
  },
  {
    name: 'a log that would fill the disk',
    give: async () => {
      const deployed = await deploy({ name: 'flood', web: { ...good, run: { process: 'node flood.js' } } });
      equal(deployed.exitCode, 0, deployed.text);
      const before = await written('flood');
      let most = 0;
      const end = performance.now() + FLOOD_MS;
      while (performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        most = Math.max(most, await sizeOf((await nodeFolders()).map((node) => join(node, 'logs', 'flood'))));
      }
      const writtenBytes = (await written('flood')) - before;
      ok(writtenBytes > 4 * DEFAULT_LOG_LIMIT_BYTES, `only ${writtenBytes} bytes were written: too few to tell`);
      // What is written between two looks of the agent comes on top of what is kept, however fast the flood is.
      const betweenLooks = (writtenBytes / FLOOD_MS) * LOOK_MS;
      ok(most <= 2 * DEFAULT_LOG_LIMIT_BYTES + betweenLooks, `${most} bytes lay on the disk after ${writtenBytes} were written`);
      const tail = told(await cluster.haven('logs', 'flood', '--tail', '3'));
      await remove('flood');
      return tail;
    },
    exitCode: 0,
    says: [/web\.1 .*line \d+ x+/],
  },
  {
    name: 'a config that throws',
    give: async () => {
      const directory = await writeConfig({ name: 'bad', web: good });
      await rm(join(directory, 'haven.config.json'));
      await writeFile(join(directory, 'haven.config.ts'), "const region = process.env['NO_SUCH'];\nif (!region) throw new Error('NO_SUCH is not set');\n");
      return told(await cluster.haven('deploy', directory));
    },
    exitCode: 2,
    says: [/Cannot use .*haven\.config\.ts:2, because NO_SUCH is not set/],
  },
  {
    name: 'a stale token',
    give: async () => {
      const file = join(folder, 'stale-token');
      const token = (await readFile(pathsOf(cluster.home).token, 'utf8')).trim();
      await writeFile(file, `${token.slice(0, -8)}${token.endsWith('00000000') ? '11111111' : '00000000'}\n`);
      return told(await cluster.havenWith({ HAVEN_TOKEN_FILE: file }, 'status'));
    },
    exitCode: 1,
    says: [/Cannot accept the stale token, because it was made with the key of another cluster or of an earlier one/, /Next: .*token/],
  },
  {
    name: 'a store file with a flipped bit',
    give: async () => {
      const { store, logs } = pathsOf(cluster.home);
      await using _held = await ended('control');
      const saved = await Promise.all((await readdir(store)).map(async (name) => ({ path: join(store, name), bytes: await readFile(join(store, name)) })));
      const victim = saved.find(({ bytes }) => bytes.includes('"well"'));
      ok(victim, 'the store holds the app');
      await flip(victim.path, '"well"');
      await _held.release();
      const log = join(logs, 'control.log');
      await until('control tells', async () => /does not match|checksum|malformed/.test(await readFile(log, 'utf8')));
      const status = told(await cluster.haven('status'));
      // The cluster goes on where it was as soon as the file is put back.
      for (const { path, bytes } of saved) await writeFile(path, bytes);
      await until('control is back', async () => (await cluster.haven('status')).exitCode === 0);
      return status;
    },
    exitCode: 1,
    says: [
      /API does not answer: Cannot open the store in ".*store.*", because /,
      /nothing was overwritten. Restore the folder from a backup, or move it away/,
      /Next: /,
    ],
  },
  {
    name: 'a damaged record of an instance',
    give: async () => {
      const { instance, node } = await oneInstance();
      await using held = await ended(`agent-${node}`);
      await flip(join(pathsOf(cluster.home).node(node), 'instances', instance, 'record.json'), '"instance"');
      await held.release();
      return await loggedBy(`agent-${node}`, /copy before the last/);
    },
    exitCode: 0,
    says: [/An instance is read from the copy before the last/, /record\.json\\?" is damaged: its checksum does not match/, /well\.web\.\d/],
  },
  {
    name: "damaged routes of the gateway's own",
    give: async () => {
      const [gateway = ''] = await readdir(join(cluster.home.directory, 'gateways'));
      await using held = await ended('gateway');
      for (const name of ['routes.json', 'routes.json.previous']) {
        await flip(join(pathsOf(cluster.home).gateway(gateway), name), '"revision"').catch(() => undefined);
      }
      await held.release();
      return await loggedBy('gateway', /saved routes cannot be used/);
    },
    exitCode: 0,
    says: [/saved routes cannot be used/, /routes\.json\\?", because its checksum does not match/, /Restore the file from a backup, or move both copies away/],
  },
  {
    name: 'damaged records of processes, after the supervisor was killed',
    give: async () => {
      const { run } = pathsOf(cluster.home);
      const records = (await readdir(run)).filter((name) => name.endsWith('.json'));
      const pids = () => Promise.all(records.map(async (name) => [name, (await findRecorded(world, join(run, name)))?.identity.pid]));
      const before = await pids();
      await (await findSupervisor(world, cluster.home))?.signal('SIGKILL');
      for (const name of records) await flip(join(run, name), '"pid"');
      const up = told(await cluster.haven('up'));
      await until('agents are known again', async () => (await cluster.haven('node', 'ls', '--json')).exitCode === 0);
      const after = await pids();
      const others = (pids: typeof before) => pids.filter(([name]) => name !== 'supervisor.json');
      deepEqual(others(after), others(before), 'the same processes are kept by the new supervisor');
      const log = await loggedBy('supervisor', /process record is read from its copy/);
      return { exitCode: up.exitCode, text: `${up.text}\n${log.text}` };
    },
    exitCode: 0,
    says: [/Haven is up/, /A process record is read from its copy/, /run\/\S+\.json\\?" is damaged: its checksum does not match/],
  },
];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haven-bad-input-'));
  cluster = await DemoCluster.start(world, AbortSignal.timeout(30_000));
  equal((await cluster.haven('pool', 'create', 'worker', '--nodes', '2')).exitCode, 0);
  const { exitCode, text } = await deploy({ name: 'well', web: { ...good, count: 2, routes: [{ path: '/well' }] } });
  equal(exitCode, 0, text);
});

after(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

for (const { name, give, exitCode, says } of BAD_INPUTS) {
  test(`${name}: a clear error, and nothing that runs is lost or restarted`, async (t) => {
    const healthy = await runningOf('well');
    ok(healthy.length === 2 && healthy.every((line) => /^well\.web\.\d-\d+ \d+ 1$/.test(line)), healthy.join());
    try {
      const given = await give();
      t.diagnostic(given.text.slice(-1_000));
      equal(given.exitCode, exitCode, given.text);
      for (const words of says) match(given.text, words);
      if (exitCode !== 0) match(given.text, /Next: \S/);
    } finally {
      await remove('bad');
    }
    deepEqual(await runningOf('well'), healthy);
    equal(await answer(), '200 fine');
  });
}

async function deploy(config: Readonly<Record<string, unknown>>): Promise<Told> {
  return told(await cluster.haven('deploy', await writeConfig(config)));
}

async function writeConfig(config: Readonly<Record<string, unknown>>): Promise<string> {
  const directory = join(folder, `app-${++configs}`);
  await mkdir(directory);
  await writeFile(join(directory, 'haven.config.json'), JSON.stringify(config, undefined, 2));
  await writeFile(
    join(directory, 'web.js'),
    "require('node:http').createServer((request, response) => response.end('fine')).listen(process.env.PORT, process.env.HOST);\n",
  );
  // As fast as a disk of a busy machine takes it, yet not so fast that the machine is of no use to others meanwhile.
  await writeFile(
    join(directory, 'flood.js'),
    `require('./web.js');
let lines = 0;
setInterval(() => {
  let text = '';
  for (let i = 0; i < 1000; i++) text += 'line ' + ++lines + ' ' + 'x'.repeat(1000) + '\\n';
  require('node:fs').writeSync(1, text);
}, 20);\n`,
  );
  return directory;
}

function told({ exitCode, stdout, stderr }: HavenRun): Told {
  return { exitCode, text: `${stdout}${stderr}` };
}

async function remove(app: string): Promise<void> {
  const { exitCode, stderr } = await cluster.haven('rm', app, '--yes');
  ok(exitCode === 0 || /Cannot find app|There is no app/.test(stderr), stderr);
}

async function sdk() {
  const { api } = addressesOf(cluster.home);
  return connect({ address: `http://${api.host}:${api.port}`, token: (await readFile(pathsOf(cluster.home).token, 'utf8')).trim() });
}

/** What must not change: which process each instance is. */
async function runningOf(app: string): Promise<readonly string[]> {
  const instances = await (await sdk()).instances({ app });
  return instances.map(({ id, pid, attempt }) => `${id} ${pid} ${attempt}`);
}

async function oneInstance(): Promise<{ readonly instance: string; readonly node: string }> {
  const [first] = await (await sdk()).instances({ app: 'well' });
  ok(first);
  return { instance: first.id, node: first.node };
}

/** A gateway that was killed takes a moment to come back: then it must be right at once. */
async function answer(): Promise<string> {
  const { gateway } = addressesOf(cluster.home);
  let said = '';
  await until('the gateway answers', async () => {
    const response = await fetch(`http://${gateway.host}:${gateway.port}/well`).catch(() => undefined);
    said = response ? `${response.status} ${await response.text()}` : 'nobody answers';
    return response !== undefined;
  });
  return said;
}

/** Kills one of Haven's own processes and keeps it from being started again until `release`. */
async function ended(name: string): Promise<AsyncDisposable & { readonly release: () => Promise<void> }> {
  const { run } = pathsOf(cluster.home);
  const hold = join(run, `${name}.hold`);
  const running = await findRecorded(world, join(run, `${name}.json`));
  ok(running, `${name} runs`);
  await writeFile(hold, '');
  const release = () => rm(hold, { force: true });
  await running.signal('SIGKILL');
  await until(`${name} has ended`, async () => !(await running.hasMembers()));
  return { release, [Symbol.asyncDispose]: release };
}

async function flip(path: string, where: string): Promise<void> {
  const bytes = await readFile(path);
  const at = bytes.indexOf(where);
  ok(at >= 0, `${path} has ${where}`);
  bytes[at + 1] = (bytes[at + 1] as number) ^ 4;
  await writeFile(path, bytes);
}

async function loggedBy(name: string, words: RegExp): Promise<Told> {
  const path = join(pathsOf(cluster.home).logs, `${name}.log`);
  await until(`${name} tells`, async () => words.test(await readFile(path, 'utf8')));
  return { exitCode: 0, text: await readFile(path, 'utf8') };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    ok(performance.now() < deadline, `${what} within ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function listen(port: number): Promise<AsyncDisposable> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function nodeFolders(): Promise<readonly string[]> {
  const nodes = join(cluster.home.directory, 'nodes');
  return (await readdir(nodes)).map((node) => join(nodes, node));
}

/** Bytes on the disk, as the file system counts them: what was cut out of a file is not there. */
async function sizeOf(folders: readonly string[]): Promise<number> {
  const sizes = folders.map(async (path) => {
    const names = await readdir(path, { recursive: true }).catch(() => []);
    const stats = await Promise.all(names.map((name) => stat(join(path, name)).catch(() => undefined)));
    return stats.reduce((sum, one) => sum + (one?.isFile() ? one.blocks * 512 : 0), 0);
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** How much the app's instance has written so far, as the kernel counts it. */
async function written(app: string): Promise<number> {
  const [first] = await (await sdk()).instances({ app });
  const text = await readFile(`/proc/${first?.pid}/io`, 'utf8');
  return Number(/^wchar: (\d+)$/m.exec(text)?.[1] ?? 0);
}
