import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import type { Instance, InstanceStatus } from '#model/instance';
import type { ServiceSpec } from '#model/spec';
import { detectCgroups } from '#world/node/cgroup';
import { nodeWorld } from '#world/node/node-world';
import { packFolder } from './archive/pack-folder.ts';
import { AgentFolders } from './folders.ts';
import { loadInstanceRecords, saveInstanceRecord } from './instance-record.ts';
import { TEST_TOKEN } from './testing/agent-parts.ts';
import { EXAMPLE_NODE, exampleInstance, stopping } from './testing/example-instance.ts';
import { ask, isRunning, LiveNode, PATH, script } from './testing/live-node.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const { clock } = world;

const SERVER = `require('node:http').createServer((q, s) => s.end(JSON.stringify(process.env))).listen(Number(process.env.PORT), process.env.HOST, () => console.log('listening'));`;

test('a real server is started with its environment, answers, and is stopped', async () => {
  await using node = await LiveNode.make(world);
  const instance = exampleInstance({
    environment: { COLOUR: 'blue' },
    secrets: ['PASSWORD'],
    spec: script(SERVER, { checks: { startup: { probe: { kind: 'http', path: '/' }, intervalMs: 250, timeoutMs: 1_000, startTimeoutMs: 10_000 } } }),
  });
  node.cluster.want(instance);
  node.startAgent();
  const { address, pid } = await node.reach(instance.id, 'running');
  const response = await fetch(`http://${address?.host}:${address?.port}/`);
  const { HAVEN_TOKEN, ...environment } = (await response.json()) as Record<string, string>;
  assert.match(HAVEN_TOKEN ?? '', /^[0-9a-f]{32}$/);
  assert.deepEqual(environment, {
    PATH,
    COLOUR: 'blue',
    PASSWORD: 'secret PASSWORD',
    HAVEN_APP: 'shop',
    HAVEN_SERVICE: 'web',
    HAVEN_INSTANCE: 'web.1',
    HAVEN_RELEASE: '1',
    HAVEN_NODE: EXAMPLE_NODE,
    HAVEN_DATA: join(node.directory, 'data/shop/web.1'),
    HOST: '127.0.0.1',
    PORT: String(address?.port),
  });
  node.cluster.want(stopping(instance));
  const stopped = await node.reach(instance.id, 'stopped');
  assert.deepEqual(stopped.exit, { signal: 'SIGTERM' });
  assert.equal(isRunning(pid ?? 0), false);
  assert.deepEqual(await readdir(join(node.directory, 'instances')), []);
  // Nothing secret is left on the disk.
  assert.equal(
    (await readdir(node.directory, { recursive: true })).some((name) => name.includes('PASSWORD')),
    false,
  );
});

test('a crash is followed by a back-off and a new start, with the exit code told', async () => {
  await using node = await LiveNode.make(world);
  const code = `const fs = require('node:fs'); const mark = process.env.HAVEN_DATA + '/mark'; if (!fs.existsSync(mark)) { fs.writeFileSync(mark, ''); setTimeout(() => { console.error('boom'); process.exit(7); }, 500); } ${SERVER}`;
  const instance = exampleInstance({
    spec: script(code, { restart: { baseDelayMs: 300, maxDelayMs: 1_000, attempts: 3, windowMs: 60_000, resetAfterMs: 60_000 } }),
  });
  node.cluster.want(instance);
  node.startAgent();
  await node.reach(instance.id, 'running');
  await node.until('it waits', () => node.cluster.status(instance.id)?.nextStartAt !== undefined);
  const waiting = node.cluster.status(instance.id) as InstanceStatus;
  assert.deepEqual([waiting.phase, waiting.exit, waiting.failure, waiting.output?.at(-1)], ['backing-off', { code: 7 }, 'exited', 'boom']);
  const again = await node.reach(instance.id, 'running');
  assert.deepEqual([again.attempt, again.restarts], [2, 1]);
});

/** Starts an agent in a process of its own and resolves when all instances run. */
async function agentProcess(
  node: LiveNode,
  instances: readonly Instance[],
): Promise<{ readonly child: ChildProcess; readonly running: ReadonlyMap<string, InstanceStatus> }> {
  const main = join(import.meta.dirname, 'testing/main.ts');
  const child = spawn(process.execPath, [main, node.directory, JSON.stringify(instances)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const running = new Map<string, InstanceStatus>();
  for await (const line of createInterface({ input: child.stdout })) {
    const status = JSON.parse(line) as InstanceStatus;
    if (status.phase === 'running') running.set(status.id, status);
    if (running.size === instances.length) break;
  }
  return { child, running };
}

test('kill -9 of the agent: instances live, and the next agent takes over the same processes within two seconds', async () => {
  await using node = await LiveNode.make(world);
  const instances = [1, 2, 3, 4, 5].map((slot) => exampleInstance({ slot, serial: slot, spec: script(SERVER) }));
  const { child, running } = await agentProcess(node, instances);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  for (const { pid, address } of running.values()) {
    assert.ok(isRunning(pid ?? 0));
    assert.equal((await fetch(`http://${address?.host}:${address?.port}/`)).status, 200);
  }
  // Control is away: the records are enough.
  node.cluster.cut();
  const startedAt = clock.now();
  node.startAgent();
  node.cluster.isReachable = true;
  for (const instance of instances) node.cluster.want(instance);
  for (const { id } of instances) await node.reach(id, 'running', 2_000);
  const tookMs = clock.now() - startedAt;
  assert.ok(tookMs <= 2_000, `took ${tookMs} ms`);
  for (const { id } of instances) {
    const [before, after] = [running.get(id), node.cluster.status(id)];
    assert.deepEqual([after?.pid, after?.attempt, after?.since, after?.address], [before?.pid, before?.attempt, before?.since, before?.address]);
  }
  // The end of a process that is not its child is noticed, and it is started again.
  const [first] = instances as [Instance];
  process.kill(running.get(first.id)?.pid ?? 0, 'SIGKILL');
  await node.until('it is started again', () => node.cluster.status(first.id)?.attempt === 2 && node.cluster.status(first.id)?.phase === 'running');
});

test('an impostor with the pid of a recorded process is neither adopted nor touched', async () => {
  await using node = await LiveNode.make(world);
  const instance = exampleInstance({ spec: script(SERVER) });
  node.cluster.want(instance);
  node.startAgent();
  const { pid } = await node.reach(instance.id, 'running');
  await node.endAgent();
  process.kill(pid ?? 0, 'SIGKILL');
  const impostor = spawn('sleep', ['100']);
  try {
    const folders = new AgentFolders(node.directory);
    const [record] = await loadInstanceRecords(world, folders);
    assert.ok(record?.state.stage.kind === 'process');
    const { identity } = record.state.stage;
    await saveInstanceRecord(world, folders, {
      ...record,
      state: { ...record.state, stage: { ...record.state.stage, identity: { ...identity, pid: impostor.pid ?? 0 } } },
    });
    node.cluster.forget(instance.id);
    node.startAgent();
    await node.until('the agent has reported', () => node.cluster.items.has(`/agents/${EXAMPLE_NODE}`));
    await node.until('the record is gone', () => readdirSync(join(node.directory, 'instances')).length === 0);
    assert.ok(isRunning(impostor.pid ?? 0), 'the impostor lives');
  } finally {
    impostor.kill('SIGKILL');
  }
});

test('grandchildren are ended with their instance, those in sessions of their own too', async () => {
  await using node = await LiveNode.make(world);
  const command = [
    'sh',
    '-c',
    'sleep 1000 & echo $! >> pids; setsid sleep 1000 & echo $! >> pids; (trap "" TERM; while :; do sleep 1; done) & echo $! >> pids; wait',
  ] as const;
  const instance = exampleInstance({
    spec: { run: { kind: 'process', command }, listens: false, stop: { unrouteTimeoutMs: 0, drainTimeoutMs: 0, killTimeoutMs: 500 } },
  });
  node.cluster.want(instance);
  node.startAgent();
  await node.reach(instance.id, 'running');
  const path = join(node.directory, 'data/shop/web.1/pids');
  const written = (): number[] => (existsSync(path) ? readFileSync(path, 'utf8') : '').split('\n').flatMap((line) => (line === '' ? [] : [Number(line)]));
  await node.until('all three are there', () => written().length === 3);
  const pids = written();
  assert.ok(pids.every(isRunning));
  node.cluster.want(stopping(instance));
  await node.reach(instance.id, 'stopped');
  await node.until('none of them is left', () => !pids.some(isRunning));
});

function folderBytes(path: string): number {
  const names = existsSync(path) ? readdirSync(path) : [];
  // A file may be rotated away between the two looks.
  return names.reduce((sum, name) => sum + (statSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

test('a flood of output stays bounded, and its last lines can be read', async (context) => {
  const logLimitBytes = 1024 * 1024;
  await using node = await LiveNode.make(world, { logLimitBytes });
  const instance = exampleInstance({ spec: { run: { kind: 'process', command: ['yes', 'flood'] }, listens: false } });
  const folder = join(node.directory, 'logs/shop/web.1');
  node.cluster.want(instance);
  node.startAgent();
  await node.reach(instance.id, 'running');
  let peak = 0;
  for (let round = 0; round < 60; round++) {
    await clock.sleep(50);
    peak = Math.max(peak, folderBytes(folder));
  }
  node.cluster.want(stopping(instance));
  await node.reach(instance.id, 'stopped');
  await node.until('the output is cut to its bound', () => folderBytes(folder) <= 2 * logLimitBytes);
  const rest = folderBytes(folder);
  context.diagnostic(`peak ${Math.round(peak / 2 ** 20)} MiB, afterwards ${rest} bytes`);
  assert.ok(peak < 1024 * 2 ** 20, `${peak} bytes at the peak`);
  const { lines } = await ask(node.api, '/v1/logs/shop/web.1?tail=3');
  assert.deepEqual(lines.map((line) => line['text']).slice(0, 2), ['flood', 'flood']);
});

test('a missing command, a taken port and a crash are told apart', async () => {
  await using node = await LiveNode.make(world);
  const taken = createServer().listen(31_250, '127.0.0.1');
  await once(taken, 'listening');
  try {
    const missing = exampleInstance({ spec: { run: { kind: 'process', command: ['/no/such/program'] } } });
    const clash = exampleInstance({
      slot: 2,
      serial: 2,
      spec: script(`require('node:net').createServer().listen(31250, '127.0.0.1')`, {
        restart: { baseDelayMs: 50, maxDelayMs: 50, attempts: 1, windowMs: 60_000, resetAfterMs: 60_000 },
      }),
    });
    const fixed = exampleInstance({ slot: 3, serial: 3, spec: script(SERVER, { hostPort: 31_250 }) });
    for (const instance of [missing, clash, fixed]) node.cluster.want(instance);
    node.startAgent();
    assert.equal((await node.reach(missing.id, 'failed')).failure, 'command-missing');
    const clashed = await node.reach(clash.id, 'failed');
    assert.deepEqual([clashed.failure, clashed.exit], ['port-in-use', { code: 1 }]);
    assert.ok(clashed.output?.some((line) => line.includes('EADDRINUSE')));
    assert.equal((await node.reach(fixed.id, 'failed')).failure, 'port-in-use');
  } finally {
    taken.close();
  }
});

async function artifactOf(node: LiveNode, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(node.artifacts, 'source');
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const { artifact } = await packFolder(folder, { to: join(node.artifacts, 'packed') });
  await rename(join(node.artifacts, 'packed'), join(node.artifacts, artifact));
  return artifact;
}

test('an artifact is unpacked and installed once for all its instances on the node', async () => {
  await using node = await LiveNode.make(world);
  const artifact = await artifactOf(node, { 'server.js': SERVER });
  const install = { command: ['sh', '-c', 'sleep 0.3; echo "HOME=$HOME SECRET=$PASSWORD" >> installs'] as const, timeoutMs: 10_000 };
  const spec: Partial<ServiceSpec> = { run: { kind: 'process', command: [process.execPath, 'server.js'] }, install };
  const instances = [1, 2, 3].map((slot) => exampleInstance({ slot, serial: slot, artifact, secrets: ['PASSWORD'], spec }));
  for (const instance of instances) node.cluster.want(instance);
  node.startAgent();
  for (const { id } of instances) await node.reach(id, 'running');
  const release = join(node.directory, 'releases', artifact);
  assert.equal(await readFile(join(release, 'installs'), 'utf8'), `HOME=${release}.home SECRET=\n`);
  const seen = node.cluster.statuses((instances[0] as Instance).id).map((status) => status.phase);
  assert.deepEqual(
    [...new Set(seen)].filter((phase) => phase !== 'starting'),
    ['fetching', 'installing', 'running'],
  );
});

test('an install that fails is told with its last lines, and one that hangs is ended', async () => {
  await using node = await LiveNode.make(world);
  const artifact = await artifactOf(node, { 'server.js': SERVER });
  const run = { kind: 'process', command: [process.execPath, 'server.js'] } as const;
  const failing = exampleInstance({ artifact, spec: { run, install: { command: ['sh', '-c', 'echo oops >&2; exit 9'], timeoutMs: 10_000 } } });
  const hanging = exampleInstance({ slot: 2, serial: 2, artifact, spec: { run, install: { command: ['sleep', '100'], timeoutMs: 300 } } });
  node.cluster.want(failing);
  node.cluster.want(hanging);
  node.startAgent();
  const failed = await node.reach(failing.id, 'failed');
  assert.deepEqual([failed.failure, failed.output], ['install-failed', ['oops']]);
  assert.match(failed.reason, /exited with code 9/);
  const late = await node.reach(hanging.id, 'failed');
  assert.match(late.reason, /took longer than 300ms/);
});

test('logs are followed across attempts, and only with the token', async () => {
  await using node = await LiveNode.make(world);
  const code = `console.log('hello ' + process.pid); setTimeout(() => process.exit(0), 400)`;
  const instance = exampleInstance({
    spec: script(code, { listens: false, restart: { baseDelayMs: 50, maxDelayMs: 50, attempts: 9, windowMs: 60_000, resetAfterMs: 60_000 } }),
  });
  node.cluster.want(instance);
  node.startAgent();
  await node.reach(instance.id, 'running');
  const url = `http://${node.api.host}:${node.api.port}/v1/logs/${instance.id}?tail=10&follow=1`;
  assert.equal((await fetch(url)).status, 401);
  assert.equal((await fetch(url, { headers: { authorization: 'Bearer wrong' } })).status, 401);
  const leaving = new AbortController();
  const response = await fetch(url, { headers: { authorization: `Bearer ${TEST_TOKEN}` }, signal: leaving.signal });
  const attempts: number[] = [];
  const body = response.body?.pipeThrough(new TextDecoderStream());
  assert.ok(body);
  try {
    for await (const text of body) {
      for (const line of text.trim().split('\n')) {
        const { instance: id, attempt, text: said } = JSON.parse(line) as { readonly instance: string; readonly attempt: number; readonly text: string };
        assert.equal(id, instance.id);
        assert.match(said, /^hello \d+$/);
        attempts.push(attempt);
      }
      if (attempts.length >= 3) leaving.abort();
    }
  } catch (error) {
    assert.ok(leaving.signal.aborted, String(error));
  }
  assert.deepEqual(attempts.slice(0, 3), [1, 2, 3]);
  assert.equal((await ask(node.api, '/v1/logs/shop/nothing.1')).status, 404);
  assert.equal((await ask(node.api, '/v1/logs/..%2f..%2fetc')).status, 400);
});

test('a command runs beside an instance, with its environment, and its exit is told', async () => {
  await using node = await LiveNode.make(world);
  const instance = exampleInstance({ environment: { COLOUR: 'blue' }, spec: script(SERVER) });
  node.cluster.want(instance);
  node.startAgent();
  await node.reach(instance.id, 'running');
  const exec = (body: unknown) => ask(node.api, `/v1/exec/${instance.id}`, JSON.stringify(body));
  assert.deepEqual((await exec({ command: ['sh', '-c', 'echo $COLOUR $HAVEN_INSTANCE; echo error >&2; exit 5'] })).lines, [
    { stream: 'output', text: 'blue web.1' },
    { stream: 'output', text: 'error' },
    { exit: { code: 5 } },
  ]);
  const missing = await exec({ command: ['no-such-thing'] });
  assert.deepEqual((missing.lines[0] as { readonly exit?: unknown }).exit, { code: 127 });
  const late = await exec({ command: ['sleep', '100'], timeoutMs: 200 });
  assert.match(String(late.lines[0]?.['reason']), /longer than 200 ms/);
  assert.equal((await exec({ command: 'ls' })).status, 400);
  assert.equal((await ask(node.api, '/v1/exec/shop.web.9-9', '{"command":["ls"]}')).status, 404);
  assert.deepEqual(await readdir(join(node.directory, 'exec')), []);
});

test('a process that takes more memory than it asked for is ended, not its neighbours', async (context) => {
  const support = await detectCgroups();
  if (support.parents.memory === undefined) return context.skip(`this machine holds no memory limits: ${support.reasons.join('; ')}`);
  await using node = await LiveNode.make(world);
  const code = `const held = []; setInterval(() => held.push(Buffer.alloc(16 * 1024 * 1024, 1)), 20)`;
  const hungry = exampleInstance({ spec: script(code, { listens: false, resources: { cpu: 0, memoryBytes: 128 * 2 ** 20 } }) });
  const neighbour = exampleInstance({ slot: 2, serial: 2, spec: script(SERVER, { resources: { cpu: 0, memoryBytes: 128 * 2 ** 20 } }) });
  node.cluster.want(hungry);
  node.cluster.want(neighbour);
  node.startAgent();
  await node.reach(neighbour.id, 'running');
  await node.until('it is ended', () => node.cluster.status(hungry.id)?.exit !== undefined);
  assert.deepEqual(node.cluster.status(hungry.id)?.exit, { signal: 'SIGKILL' });
  assert.equal(node.cluster.status(neighbour.id)?.phase, 'running');
});
