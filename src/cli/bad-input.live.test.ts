import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { DEFAULT_LOG_LIMIT_BYTES } from '#agent/agent';
import { makeHeader } from '#agent/archive/tar-format';
import { nodeWorld } from '#world/node/node-world';
import { BadInputBench, flip, GOOD_SERVICE, listen, sizeOf, type Told, told, until } from './bad-input-fixture.ts';
import { exitCodeOfDeploy, failureLines } from './deploy-result.ts';
import { addressesOf, pathsOf } from './home.ts';
import { findSupervisor } from './lifecycle.ts';
import { findRecorded } from './supervisor/keeper.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'bad-input' });
/** The agent looks at a file that grows fast at least this often, however busy the machine is. */
const LOOK_MS = 500;
const FLOOD_MS = 4_000;
let bench: BadInputBench;

interface BadInput {
  readonly name: string;
  readonly give: () => Promise<Told>;
  readonly exitCode: number;
  /** What, where, why, and what next: the words without which the message would not help. */
  readonly says: readonly RegExp[];
}

const BAD_INPUTS: readonly BadInput[] = [
  {
    name: 'an unknown key',
    give: () => bench.deploy({ name: 'bad', web: { ...GOOD_SERVICE, helth: '/' } }),
    exitCode: 2,
    says: [/haven\.config\.json:\d+: web\.helth is not a known key; did you mean "health"\?/],
  },
  {
    name: 'wrong units',
    give: () => bench.deploy({ name: 'bad', web: { ...GOOD_SERVICE, resources: { memory: '128 megs' }, stop: { drain: '10 secs' } } }),
    exitCode: 2,
    says: [/2 mistakes/, /haven\.config\.json:\d+: web\.resources\.memory must be .*"?512Mi/, /haven\.config\.json:\d+: web\.stop\.drain must be .*"?10s/],
  },
  {
    name: 'more than any node has',
    give: () => bench.deploy({ name: 'bad', web: { ...GOOD_SERVICE, resources: { cpu: 500, memory: '64Mi' } } }),
    exitCode: 3,
    says: [/bad failed: .*web\.1/, /needs 500 cores/, /Next: haven why bad/],
  },
  {
    name: 'the same route twice in an app',
    give: () => bench.deploy({ name: 'bad', web: { ...GOOD_SERVICE, routes: [{ path: '/x' }] }, api: { ...GOOD_SERVICE, routes: [{ path: '/x' }] } }),
    exitCode: 2,
    says: [/haven\.config\.json:\d+: api\.routes\.0 repeats the route "\*" "\/x" of service "web": a request goes to one service only/],
  },
  {
    name: 'a route of another app',
    give: () => bench.deploy({ name: 'bad', web: { ...GOOD_SERVICE, routes: [{ path: '/well' }] } }),
    exitCode: 6,
    says: [/haven\.config\.json:\d+: web\.routes\.0 is the route \*\/well of "well\/web" already/, /choose another host or path/],
  },
  {
    name: "a port of Haven's own that another program has",
    give: async () => {
      const second = { directory: join(bench.folder, 'second'), portBase: bench.cluster.home.portBase + 310 };
      await using _other = await listen(addressesOf(second).gateway.port);
      return told(await bench.cluster.havenWith({ HAVEN_HOME: second.directory, HAVEN_PORT_BASE: String(second.portBase) }, 'up'));
    },
    exitCode: 6,
    says: [/Cannot start Haven, because port \d+, meant for its gateway, is in use by another program/, /Next: stop that program, or set HAVEN_PORT_BASE/],
  },
  {
    name: 'a fixed port of the node that another program has',
    give: async () => {
      const port = bench.cluster.home.portBase + 305;
      await using _other = await listen(port);
      return await bench.deploy({ name: 'bad', web: { ...GOOD_SERVICE, hostPort: port } });
    },
    exitCode: 1,
    says: [/bad failed: .*Cannot use port \d+, because a program outside Haven listens on 127\.0\.0\.1:\d+/, /web\.1/, /worker-\d/, /Next: haven why bad/],
  },
  {
    name: 'a command that does not exist',
    give: () => bench.deploy({ name: 'bad', web: { ...GOOD_SERVICE, run: { process: 'no-such-program --serve' } } }),
    exitCode: 1,
    says: [/bad failed: .*Cannot start "no-such-program", because it is in no folder of PATH=/, /web\.1/, /worker-\d/, /Next: haven why bad/],
  },
  {
    name: 'an archive whose path leaves the folder',
    give: async () => {
      const client = await bench.sdk();
      const header = makeHeader({ path: '../../../escaped', type: '0', mode: 0o644, sizeBytes: 0, target: '' });
      const bytes = gzipSync(Buffer.concat([header, new Uint8Array(1024)]));
      const artifact = `sha256-${createHash('sha256').update(bytes).digest('hex')}`;
      await client.putArtifact(artifact, bytes);
      const result = await client.deployAndWait({ name: 'bad', web: { ...GOOD_SERVICE } }, { artifact });
      const escaped = (await readdir(bench.cluster.home.directory, { recursive: true })).filter((path) => path.includes('escaped'));
      deepEqual(escaped, [], 'nothing is written outside');
      return { exitCode: exitCodeOfDeploy(result), text: failureLines(result).join('\n') };
    },
    exitCode: 1,
    says: [/Cannot unpack sha256-[0-9a-f]+: Cannot take "\.\.\/\.\.\/\.\.\/escaped" of the archive, because its path leaves the folder by "\.\."/, /web\.1/],
  },
  {
    name: 'a folder with a link that leaves it',
    give: async () => {
      const directory = await bench.writeConfig({ name: 'bad', web: GOOD_SERVICE });
      const { symlink } = await import('node:fs/promises');
      await symlink('../../../etc/passwd', join(directory, 'link'));
      return told(await bench.cluster.haven('deploy', directory));
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
      const deployed = await bench.deploy({ name: 'flood', web: { ...GOOD_SERVICE, run: { process: 'node flood.js' } } });
      equal(deployed.exitCode, 0, deployed.text);
      const before = await bench.written('flood');
      let most = 0;
      const end = performance.now() + FLOOD_MS;
      while (performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        most = Math.max(most, await sizeOf((await bench.nodeFolders()).map((node) => join(node, 'logs', 'flood'))));
      }
      const writtenBytes = (await bench.written('flood')) - before;
      ok(writtenBytes > 4 * DEFAULT_LOG_LIMIT_BYTES, `only ${writtenBytes} bytes were written: too few to tell`);
      // What is written between two looks of the agent comes on top of what is kept, however fast the flood is. On a busy machine one may come two late.
      const betweenLooks = (writtenBytes / FLOOD_MS) * LOOK_MS;
      ok(most <= 2 * DEFAULT_LOG_LIMIT_BYTES + 3 * betweenLooks, `${most} bytes lay on the disk after ${writtenBytes} were written`);
      const tail = told(await bench.cluster.haven('logs', 'flood', '--tail', '3'));
      await bench.remove('flood');
      return tail;
    },
    exitCode: 0,
    says: [/web\.1 .*line \d+ x+/],
  },
  {
    name: 'a config that throws',
    give: async () => {
      const directory = await bench.writeConfig({ name: 'bad', web: GOOD_SERVICE });
      await rm(join(directory, 'haven.config.json'));
      await writeFile(join(directory, 'haven.config.ts'), "const region = process.env['NO_SUCH'];\nif (!region) throw new Error('NO_SUCH is not set');\n");
      return told(await bench.cluster.haven('deploy', directory));
    },
    exitCode: 2,
    says: [/Cannot use .*haven\.config\.ts:2, because NO_SUCH is not set/],
  },
  {
    name: 'a stale token',
    give: async () => {
      const file = join(bench.folder, 'stale-token');
      const token = (await readFile(pathsOf(bench.cluster.home).token, 'utf8')).trim();
      await writeFile(file, `${token.slice(0, -8)}${token.endsWith('00000000') ? '11111111' : '00000000'}\n`);
      return told(await bench.cluster.havenWith({ HAVEN_TOKEN_FILE: file }, 'status'));
    },
    exitCode: 1,
    says: [/Cannot accept the stale token, because it was made with the key of another cluster or of an earlier one/, /Next: .*token/],
  },
  {
    name: 'a store file with a flipped bit',
    give: async () => {
      const { store, logs } = pathsOf(bench.cluster.home);
      await using _held = await bench.ended('control');
      const saved = await Promise.all((await readdir(store)).map(async (name) => ({ path: join(store, name), bytes: await readFile(join(store, name)) })));
      const victim = saved.find(({ bytes }) => bytes.includes('"well"'));
      ok(victim, 'the store holds the app');
      await flip(victim.path, '"well"');
      await _held.release();
      const log = join(logs, 'control.log');
      await until('control tells', async () => /does not match|checksum|malformed/.test(await readFile(log, 'utf8')));
      const status = told(await bench.cluster.haven('status'));
      // The cluster goes on where it was as soon as the file is put back.
      for (const { path, bytes } of saved) await writeFile(path, bytes);
      await until('control is back', async () => (await bench.cluster.haven('status')).exitCode === 0);
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
      const { instance, node } = await bench.oneInstance();
      await using held = await bench.ended(`agent-${node}`);
      await flip(join(pathsOf(bench.cluster.home).node(node), 'instances', instance, 'record.json'), '"instance"');
      await held.release();
      return await bench.loggedBy(`agent-${node}`, /copy before the last/);
    },
    exitCode: 0,
    says: [/An instance is read from the copy before the last/, /record\.json\\?" is damaged: its checksum does not match/, /well\.web\.\d/],
  },
  {
    name: "damaged routes of the gateway's own",
    give: async () => {
      const [gateway = ''] = await readdir(join(bench.cluster.home.directory, 'gateways'));
      await using held = await bench.ended('gateway');
      for (const name of ['routes.json', 'routes.json.previous']) {
        await flip(join(pathsOf(bench.cluster.home).gateway(gateway), name), '"revision"').catch(() => undefined);
      }
      await held.release();
      return await bench.loggedBy('gateway', /saved routes cannot be used/);
    },
    exitCode: 0,
    says: [/saved routes cannot be used/, /routes\.json\\?", because its checksum does not match/, /Restore the file from a backup, or move both copies away/],
  },
  {
    name: 'damaged records of processes, after the supervisor was killed',
    give: async () => {
      const { run } = pathsOf(bench.cluster.home);
      const records = (await readdir(run)).filter((name) => name.endsWith('.json'));
      const pids = () => Promise.all(records.map(async (name) => [name, (await findRecorded(world, join(run, name)))?.identity.pid]));
      const before = await pids();
      await (await findSupervisor(world, bench.cluster.home))?.signal('SIGKILL');
      for (const name of records) await flip(join(run, name), '"pid"');
      const up = told(await bench.cluster.haven('up'));
      await until('agents are known again', async () => (await bench.cluster.haven('node', 'ls', '--json')).exitCode === 0);
      const after = await pids();
      const others = (pids: typeof before) => pids.filter(([name]) => name !== 'supervisor.json');
      deepEqual(others(after), others(before), 'the same processes are kept by the new supervisor');
      const log = await bench.loggedBy('supervisor', /process record is read from its copy/);
      return { exitCode: up.exitCode, text: `${up.text}\n${log.text}` };
    },
    exitCode: 0,
    says: [/Haven is up/, /A process record is read from its copy/, /run\/\S+\.json\\?" is damaged: its checksum does not match/],
  },
];

before(async () => {
  bench = await BadInputBench.start(world);
});

after(async () => {
  await bench?.[Symbol.asyncDispose]();
});

for (const { name, give, exitCode, says } of BAD_INPUTS) {
  test(`${name}: a clear error, and nothing that runs is lost or restarted`, async (t) => {
    const healthy = await bench.runningOf('well');
    ok(healthy.length === 2 && healthy.every((line) => /^well\.web\.\d-\d+ \d+ 1$/.test(line)), healthy.join());
    try {
      const given = await give();
      t.diagnostic(given.text.slice(-1_000));
      equal(given.exitCode, exitCode, given.text);
      for (const words of says) match(given.text, words);
      if (exitCode !== 0) match(given.text, /Next: \S/);
    } finally {
      await bench.remove('bad');
    }
    deepEqual(await bench.runningOf('well'), healthy);
    equal(await bench.answer(), '200 fine');
  });
}
