import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { PlatformError } from '#base/errors';
import type { Instance, InstanceId, InstanceStatus } from '#model/instance';
import { keyOf } from '#model/keys';
import type { Program } from '#world/simulated/program';
import { Simulation } from '#world/simulated/simulation';
import type { RunningProcess } from '#world/world';
import { runAgent } from './agent.ts';
import { EXAMPLE_NODE, exampleInstance, stopping } from './testing/example-instance.ts';
import { TestCluster } from './testing/test-cluster.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const AGENT = 'agent';
const HOST = 'machine';

/** A server that answers 200, or 500 when `FAIL_AFTER_MS` has passed; ignores SIGTERM with `STUBBORN`. */
const server: Program = async ({ world, signal, environment, print }) => {
  const { PORT, FAIL_AFTER_MS, STUBBORN, READY_AFTER_MS } = environment;
  print(`started with port ${PORT}\n`);
  await world.clock.sleep(Number(READY_AFTER_MS ?? 0), signal);
  const startedAt = world.clock.now();
  await using _server = await world.network.serve({ host: '127.0.0.1', port: Number(PORT) }, async () => {
    const isBad = FAIL_AFTER_MS !== undefined && world.clock.now() - startedAt >= Number(FAIL_AFTER_MS);
    return { status: isBad ? 500 : 200, headers: {}, body: (async function* () {})() };
  });
  await world.clock.sleep(1e12, STUBBORN === undefined ? signal : undefined).catch(() => undefined);
};

/** Ends after LIFE_MS with CODE; with FOR_RUNS, only the first runs do. */
const mortal: Program = async ({ world, environment, print }) => {
  print('about to end\n');
  await world.clock.sleep(Number(environment.LIFE_MS ?? 0));
  print('ending now\n');
  return Number(environment.CODE ?? 1);
};

/** Leaves a child behind that never ends. */
const parent: Program = async ({ world, signal, fork }) => {
  fork('orphan');
  await world.clock.sleep(1e12, signal).catch(() => undefined);
};

const orphan: Program = async ({ world }) => await world.clock.sleep(1e12);

/** An agent on a simulated machine, and the cluster it belongs to. */
class Rig {
  readonly simulation: Simulation;
  readonly cluster = new TestCluster();
  #agent: RunningProcess | undefined;
  secrets: Readonly<Record<string, string>> | undefined = { PASSWORD: 'open sesame' };
  artifact: Uint8Array = new TextEncoder().encode('the archive');

  constructor(seed = 1) {
    this.simulation = new Simulation({ seed, drain, maxDrift: 0.01, maxWallSkewMs: 3_600_000 });
    for (const [name, program] of Object.entries({ server, mortal, parent, orphan })) this.simulation.program(name, program);
    this.simulation.program(AGENT, async ({ world, signal }) => {
      await runAgent({
        world,
        view: this.cluster.view(world),
        node: {
          node: EXAMPLE_NODE,
          host: '127.0.0.1',
          pid: 1,
          bootId: `${HOST}-${this.simulation.host(HOST).incarnation}`,
          capacity: { cpu: 1, memoryBytes: 2 ** 30 },
          limits: 'none',
          version: 'test',
        },
        directory: '/node',
        artifacts: {
          open: async () => {
            await world.clock.sleep(1);
            if (!this.cluster.isReachable) throw new PlatformError('UNAVAILABLE', 'Cannot reach control');
            return chunks(this.artifact);
          },
        },
        unpack: async (_archive, folder) => await world.disk.makeDirectory(folder),
        secrets: {
          read: async (names) => {
            await world.clock.sleep(1);
            if (!this.cluster.isReachable || !this.secrets) throw new PlatformError('UNAVAILABLE', 'Cannot reach control');
            const missing = names.find((name) => this.secrets?.[name] === undefined);
            if (missing) throw new PlatformError('NOT_FOUND', `There is no secret ${missing}`);
            return this.secrets;
          },
        },
        options: { ports: { first: 20_000, last: 20_399 }, path: '/bin', api: { address: { host: '127.0.0.1', port: 9_000 }, token: 'let me in' } },
        signal,
      });
    });
  }

  /** Lets time pass until an instance is in the phase. */
  async reach(id: InstanceId, phase: InstanceStatus['phase'], limitMs = 120_000): Promise<InstanceStatus> {
    const untilMs = this.simulation.nowMs + limitMs;
    await this.simulation.run({ untilMs, until: () => this.cluster.status(id)?.phase === phase });
    const status = this.cluster.status(id);
    assert.equal(status?.phase, phase, `${id} is ${status?.phase}: ${status?.reason}\n${this.simulation.trace.slice(-30).join('\n')}`);
    return status;
  }

  async pass(ms: number): Promise<void> {
    await this.simulation.run({ untilMs: this.simulation.nowMs + ms });
  }

  /** Runs of a program so far, by the trace. */
  starts(command: string): number {
    return this.simulation.trace.filter((line) => line.includes(` runs ${command} `)).length;
  }

  async startAgent(): Promise<void> {
    const { world } = this.simulation.host(HOST);
    this.#agent = await this.simulation.complete(world.processes.spawn({ command: AGENT, args: [], workingDirectory: '/', environment: {} }));
  }

  /** kill -9. */
  async killAgent(): Promise<void> {
    assert.ok(this.#agent);
    await this.simulation.complete(this.#agent.signal('SIGKILL'));
  }

  async powerCut(): Promise<void> {
    this.simulation.host(HOST).crash();
    await this.pass(100);
    this.simulation.host(HOST).restart();
    await this.startAgent();
  }
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function started(instances: readonly Instance[], seed = 1): Promise<Rig> {
  const rig = new Rig(seed);
  for (const instance of instances) rig.cluster.want(instance);
  await rig.startAgent();
  return rig;
}

const phases = (rig: Rig, id: InstanceId): string[] =>
  rig.cluster
    .statuses(id)
    .map((status) => status.phase)
    .filter((phase, index, all) => phase !== all[index - 1]);

test('an instance is fetched, started, checked, reported running with its address, and stopped in order', async () => {
  const instance = exampleInstance();
  const rig = await started([instance]);
  const running = await rig.reach(instance.id, 'running');
  assert.equal(running.attempt, 1);
  assert.ok(running.address && running.address.port >= 20_000 && running.address.port < 20_400);
  assert.ok(rig.cluster.items.has(keyOf.agent(EXAMPLE_NODE)));
  rig.cluster.want(stopping(instance));
  const stopped = await rig.reach(instance.id, 'stopped');
  assert.equal(stopped.reason, 'the test is over');
  assert.equal(stopped.address, undefined);
  rig.cluster.forget(instance.id);
  await rig.pass(1_000);
  assert.equal(rig.cluster.status(instance.id), undefined);
  const { disk } = rig.simulation.host(HOST).world;
  assert.deepEqual(await rig.simulation.complete(disk.list('/node/instances')), []);
  assert.deepEqual(phases(rig, instance.id).slice(-4), ['starting', 'running', 'stopping', 'stopped']);
});

test('a steady node writes nothing and asks nothing of its processes', async () => {
  const instances = [1, 2, 3].map((slot) => exampleInstance({ slot, serial: slot }));
  const rig = await started(instances);
  for (const { id } of instances) await rig.reach(id, 'running');
  await rig.pass(40_000);
  const before = rig.cluster.revision;
  await rig.pass(25_000);
  assert.equal(rig.cluster.revision, before);
});

test('a crashing instance waits longer each time, and is given up after its restarts, with exit code and last lines', async () => {
  const instance = exampleInstance({ environment: { LIFE_MS: '50', CODE: '3' }, spec: { run: { kind: 'process', command: ['mortal'] }, listens: false } });
  const rig = await started([instance]);
  const failed = await rig.reach(instance.id, 'failed', 300_000);
  assert.deepEqual([failed.failure, failed.exit, failed.attempt, failed.restarts], ['exited', { code: 3 }, 6, 5]);
  assert.deepEqual(failed.output, ['about to end', 'ending now']);
  assert.match(failed.reason, /exited with code 3; gave up after 5 restarts within 10m/);
  const startedAt = [...new Set(rig.cluster.statuses(instance.id).flatMap((status) => status.startedAt ?? []))];
  const gaps = startedAt.slice(1).map((at, index) => at - (startedAt[index] ?? 0));
  for (const [index, gap] of gaps.entries()) {
    const delay = 1_000 * 2 ** index;
    assert.ok(gap > delay * 0.75 && gap < delay * 1.25 + 400, `gap ${index} is ${gap}`);
  }
});

test("the operator's restart starts a failed instance afresh, and a running one by stopping it first", async () => {
  const instance = exampleInstance({
    environment: { CODE: '1' },
    spec: {
      run: { kind: 'process', command: ['mortal'] },
      restart: { baseDelayMs: 10, maxDelayMs: 10, attempts: 1, windowMs: 600_000, resetAfterMs: 600_000 },
    },
  });
  const rig = await started([instance]);
  await rig.reach(instance.id, 'failed');
  rig.cluster.want({ ...instance, restartNonce: 1 });
  await rig.simulation.run({
    untilMs: rig.simulation.nowMs + 10_000,
    until: () => rig.cluster.status(instance.id)?.attempt === 4 && rig.cluster.status(instance.id)?.phase === 'failed',
  });
  assert.equal(rig.cluster.status(instance.id)?.restarts, 1);
  const steady = exampleInstance({ slot: 2, serial: 2 });
  rig.cluster.want(steady);
  const first = await rig.reach(steady.id, 'running');
  rig.cluster.want({ ...steady, restartNonce: 5 });
  await rig.simulation.run({
    untilMs: rig.simulation.nowMs + 10_000,
    until: () => rig.cluster.status(steady.id)?.attempt === 2 && rig.cluster.status(steady.id)?.phase === 'running',
  });
  const second = rig.cluster.status(steady.id);
  assert.deepEqual([second?.attempt, second?.restarts, second?.phase], [2, 0, 'running']);
  assert.notEqual(second?.pid, first.pid);
});

test('a killed agent leaves its instances running, and the next one takes them over within two seconds without a restart', async () => {
  const instances = Array.from({ length: 20 }, (_, index) => exampleInstance({ slot: index + 1, serial: index + 1 }));
  const rig = await started(instances);
  for (const { id } of instances) await rig.reach(id, 'running');
  const before = instances.map(({ id }) => rig.cluster.status(id));
  await rig.killAgent();
  await rig.pass(3_000);
  const revision = rig.cluster.revision;
  await rig.startAgent();
  await rig.pass(2_000);
  assert.deepEqual(
    instances.map(({ id }) => rig.cluster.status(id)),
    before,
  );
  assert.equal(rig.starts('server'), 20);
  assert.ok(rig.cluster.revision > revision, 'the new agent registered');
  // It is kept by the new agent: its end is noticed.
  rig.cluster.want(stopping(instances[0] as Instance));
  await rig.reach((instances[0] as Instance).id, 'stopped');
});

test('an agent that starts while control is away takes over what ran and restarts what ends', async () => {
  const steady = exampleInstance();
  const mortal = exampleInstance({
    slot: 2,
    serial: 2,
    secrets: [],
    environment: { LIFE_MS: '5000' },
    spec: { run: { kind: 'process', command: ['mortal'] }, listens: false },
  });
  const rig = await started([steady, mortal]);
  await rig.reach(steady.id, 'running');
  await rig.reach(mortal.id, 'running');
  rig.cluster.cut();
  await rig.killAgent();
  await rig.startAgent();
  await rig.pass(20_000);
  assert.equal(rig.starts('server'), 1);
  assert.ok(rig.starts('mortal') >= 3, `mortal was started ${rig.starts('mortal')} times`);
  rig.cluster.isReachable = true;
  await rig.pass(5_000);
  assert.equal(rig.cluster.status(steady.id)?.phase, 'running');
  assert.ok((rig.cluster.status(mortal.id)?.attempt ?? 0) >= 3);
});

test('control may be away for long: instances run on, statuses come when it is back', async () => {
  const instance = exampleInstance();
  const rig = await started([instance]);
  await rig.reach(instance.id, 'running');
  rig.cluster.cut();
  await rig.pass(60_000);
  assert.equal(rig.cluster.items.has(keyOf.agent(EXAMPLE_NODE)), false, 'the lease has ended');
  // What was written may be lost with an older copy of the store.
  rig.cluster.items.delete(keyOf.status(instance.id));
  assert.equal(rig.starts('server'), 1);
  rig.cluster.isReachable = true;
  await rig.pass(5_000);
  assert.equal(rig.cluster.items.has(keyOf.agent(EXAMPLE_NODE)), true);
  assert.equal(rig.cluster.status(instance.id)?.phase, 'running');
  assert.equal(rig.starts('server'), 1);
});

test('after a power cut everything is started again without being counted as a restart', async () => {
  const instance = exampleInstance();
  const rig = await started([instance]);
  await rig.reach(instance.id, 'running');
  await rig.powerCut();
  await rig.simulation.run({
    untilMs: rig.simulation.nowMs + 20_000,
    until: () => rig.cluster.status(instance.id)?.attempt === 2 && rig.cluster.status(instance.id)?.phase === 'running',
  });
  assert.deepEqual([rig.cluster.status(instance.id)?.attempt, rig.cluster.status(instance.id)?.restarts], [2, 0]);
});

test('a process whose start has not passed yet is taken over too', async () => {
  const instance = exampleInstance({ environment: { READY_AFTER_MS: '3000' } });
  const rig = await started([instance]);
  await rig.simulation.run({ untilMs: 10_000, until: () => rig.cluster.status(instance.id)?.pid !== undefined });
  await rig.killAgent();
  await rig.startAgent();
  assert.deepEqual([(await rig.reach(instance.id, 'running')).attempt, rig.starts('server')], [1, 1]);
});

test('statuses that nobody keeps any more are removed', async () => {
  const [gone, elsewhere] = [exampleInstance(), exampleInstance({ slot: 2, serial: 2 })];
  const rig = new Rig();
  const view = rig.cluster.view(rig.simulation.host(HOST).world);
  const writes = [gone, { ...elsewhere, node: 'other' }].map(
    ({ id, node }) => ({ kind: 'put', key: keyOf.status(id), value: JSON.stringify({ id, node, phase: 'running' }) }) as const,
  );
  await rig.simulation.complete(view.write(writes));
  await rig.startAgent();
  await rig.pass(1_000);
  assert.deepEqual(
    [...rig.cluster.items.keys()].filter((key) => key.startsWith('/statuses/')),
    [keyOf.status(elsewhere.id)],
  );
});

test('an instance with secrets is started again while control is away', async () => {
  const instance = exampleInstance({
    secrets: ['PASSWORD'],
    environment: { LIFE_MS: '5000' },
    spec: { run: { kind: 'process', command: ['mortal'] }, listens: false },
  });
  const rig = await started([instance]);
  await rig.reach(instance.id, 'running');
  rig.cluster.cut();
  await rig.pass(12_000);
  assert.ok(rig.starts('mortal') >= 2);
});

test('restarts are remembered by the next agent', async () => {
  const instance = exampleInstance({ environment: { CODE: '2' }, spec: { run: { kind: 'process', command: ['mortal'] }, listens: false } });
  const rig = await started([instance]);
  await rig.simulation.run({ untilMs: 60_000, until: () => rig.cluster.status(instance.id)?.restarts === 3 });
  await rig.killAgent();
  await rig.startAgent();
  const failed = await rig.reach(instance.id, 'failed', 200_000);
  assert.equal(failed.attempt, 6);
});

test('an instance deleted while the agent was away is stopped and cleaned up', async () => {
  const instance = exampleInstance();
  const rig = await started([instance]);
  await rig.reach(instance.id, 'running');
  await rig.killAgent();
  rig.cluster.forget(instance.id);
  await rig.startAgent();
  await rig.pass(5_000);
  const { disk } = rig.simulation.host(HOST).world;
  assert.deepEqual(await rig.simulation.complete(disk.list('/node/instances')), []);
  assert.equal(rig.cluster.status(instance.id), undefined);
  assert.ok(rig.simulation.trace.some((line) => line.includes('gets SIGTERM')));
});

test('a process that ignores SIGTERM gets SIGKILL after its time, and what it leaves behind too', async () => {
  const stubborn = exampleInstance({ environment: { STUBBORN: '1' } });
  const leaving = exampleInstance({ slot: 2, serial: 2, spec: { run: { kind: 'process', command: ['parent'] }, listens: false } });
  const rig = await started([stubborn, leaving]);
  await rig.reach(stubborn.id, 'running');
  await rig.reach(leaving.id, 'running');
  const from = rig.simulation.nowMs;
  rig.cluster.want(stopping(stubborn));
  rig.cluster.want(stopping(leaving));
  await rig.reach(stubborn.id, 'stopped');
  await rig.reach(leaving.id, 'stopped');
  const tookMs = rig.simulation.nowMs - from;
  assert.ok(tookMs >= 1_900 && tookMs < 3_500, `took ${tookMs}`);
  assert.equal(rig.simulation.trace.filter((line) => line.includes('gets SIGKILL')).length, 2);
});

test('an attempt that never listens has failed after its time and is not tried again', async () => {
  const instance = exampleInstance({ environment: { READY_AFTER_MS: '60000' } });
  const rig = await started([instance]);
  const failed = await rig.reach(instance.id, 'failed');
  assert.deepEqual([failed.failure, failed.attempt], ['start-timeout', 1]);
  assert.match(failed.output?.[0] ?? '', /^started with port/);
  assert.match(failed.reason, /not started within 10000 ms/);
});

test('a command that does not exist fails at once', async () => {
  const instance = exampleInstance({ spec: { run: { kind: 'process', command: ['no-such-thing'] } } });
  const rig = await started([instance]);
  const failed = await rig.reach(instance.id, 'failed', 2_000);
  assert.equal(failed.failure, 'command-missing');
  assert.match(failed.reason, /"no-such-thing"/);
});

test('a fixed port that somebody else has fails at once and names it', async () => {
  const rig = new Rig();
  await rig.simulation.complete(rig.simulation.host(HOST).world.network.serve({ host: '127.0.0.1', port: 8_080 }, async () => assert.fail('nobody asks')));
  const [foreign, first, second] = [
    exampleInstance({ spec: { hostPort: 8_080 } }),
    exampleInstance({ slot: 2, serial: 2, spec: { hostPort: 8_081 } }),
    exampleInstance({ slot: 3, serial: 3, spec: { hostPort: 8_081 } }),
  ];
  rig.cluster.want(foreign);
  rig.cluster.want(first);
  await rig.startAgent();
  await rig.reach(first.id, 'running');
  rig.cluster.want(second);
  const [failed, clash] = [await rig.reach(foreign.id, 'failed'), await rig.reach(second.id, 'failed')];
  assert.deepEqual([failed.failure, clash.failure], ['port-in-use', 'port-in-use']);
  assert.match(failed.reason, /8080.*outside Haven/);
  assert.match(clash.reason, /shop\.web\.2-2 has it/);
});

test('a failing alive check restarts the instance', async () => {
  const alive = { probe: { kind: 'http', path: '/alive' }, intervalMs: 5_000, timeoutMs: 1_000, rise: 2, fall: 3 } as const;
  const instance = exampleInstance({
    environment: { FAIL_AFTER_MS: '12000' },
    spec: { checks: { startup: { intervalMs: 250, timeoutMs: 1_000, startTimeoutMs: 10_000 }, alive } },
  });
  const rig = await started([instance]);
  await rig.reach(instance.id, 'running');
  const waiting = await rig.reach(instance.id, 'backing-off', 30_000);
  assert.equal(waiting.failure, 'alive-check');
  assert.match(waiting.reason, /failed 3 times: GET \/alive answered 500/);
  assert.equal((await rig.reach(instance.id, 'running')).attempt, 2);
});

test('a secret that cannot be read yet keeps the start waiting with the reason, uncounted', async () => {
  const instance = exampleInstance({ secrets: ['PASSWORD'] });
  const rig = new Rig();
  rig.secrets = {};
  rig.cluster.want(instance);
  await rig.startAgent();
  const waiting = await rig.reach(instance.id, 'backing-off');
  assert.match(waiting.reason, /There is no secret PASSWORD/);
  assert.deepEqual([waiting.restarts, waiting.failure, waiting.attempt], [0, undefined, 0]);
  rig.secrets = { PASSWORD: 'x' };
  assert.equal((await rig.reach(instance.id, 'running')).attempt, 1);
});

test('an artifact is fetched once control is there, and one with other bytes than named never', async () => {
  const rig = new Rig();
  const digest = `sha256-${createHash('sha256').update(rig.artifact).digest('hex')}`;
  const good = exampleInstance({ artifact: digest, spec: { fetchTimeoutMs: 30_000 } });
  const bad = exampleInstance({ slot: 2, serial: 2, artifact: `sha256-${'0'.repeat(64)}`, spec: { fetchTimeoutMs: 5_000 } });
  rig.cluster.want(good);
  rig.cluster.want(bad);
  await rig.startAgent();
  await rig.reach(good.id, 'running');
  const failed = await rig.reach(bad.id, 'failed');
  assert.equal(failed.failure, 'fetch-failed');
  assert.match(failed.reason, /within 5000 ms: .*bytes that came are sha256-/);
  assert.ok(phases(rig, good.id).includes('fetching'));
  assert.ok(rig.cluster.status(good.id)?.preparedAt !== undefined);
});

test('the wishes of a leader that was replaced are refused, also by the next agent (N6)', async () => {
  const [first, second] = [exampleInstance(), exampleInstance({ slot: 2, serial: 2 })];
  const rig = await started([first, second]);
  await rig.reach(second.id, 'running');
  await rig.reach(first.id, 'running');
  const epoch = rig.cluster.revision;
  rig.cluster.want({ ...second, epoch });
  await rig.pass(1_000);
  rig.cluster.want({ ...stopping(first), epoch: 1 });
  await rig.pass(5_000);
  assert.equal(rig.cluster.status(first.id)?.phase, 'running');
  rig.cluster.forget(second.id);
  await rig.killAgent();
  await rig.startAgent();
  rig.cluster.want({ ...exampleInstance({ slot: 3, serial: 3 }), epoch: 1 });
  await rig.pass(5_000);
  assert.equal(rig.cluster.status(exampleInstance({ slot: 3, serial: 3 }).id), undefined);
});

test('a stop interrupts a fetch that hangs', async () => {
  const instance = exampleInstance({ artifact: `sha256-${'0'.repeat(64)}` });
  const rig = await started([instance]);
  await rig.reach(instance.id, 'fetching');
  rig.cluster.want(stopping(instance));
  await rig.reach(instance.id, 'stopped', 2_000);
});

test('the same seed gives the same run', async () => {
  const hashes: string[] = [];
  for (const seed of [5, 5, 6]) {
    const instance = exampleInstance({ environment: { LIFE_MS: '50' }, spec: { run: { kind: 'process', command: ['mortal'] }, listens: false } });
    const rig = await started([instance, exampleInstance({ slot: 2, serial: 2 })], seed);
    await rig.pass(30_000);
    await rig.killAgent();
    await rig.startAgent();
    await rig.pass(30_000);
    hashes.push(rig.simulation.traceHash());
  }
  assert.equal(hashes[0], hashes[1]);
  assert.notEqual(hashes[1], hashes[2]);
});

/** Pids of the living processes of a program, by the trace. */
function living(rig: Rig, command: string): number[] {
  const pids = new Set<number>();
  for (const line of rig.simulation.trace) {
    if (line.endsWith('machine crashes')) pids.clear();
    const [, pid, what = ''] = /process (\d+) (runs \S+|ended)/.exec(line) ?? [];
    if (what === `runs ${command}`) pids.add(Number(pid));
    if (what === 'ended') pids.delete(Number(pid));
  }
  return [...pids].sort((a, b) => a - b);
}

async function trouble(rig: Rig, instances: Map<InstanceId, Instance>): Promise<void> {
  const { random } = rig.simulation;
  for (let round = 0; round < 12; round++) {
    await rig.pass(random.integer(3_000));
    const victim = [...instances.values()][random.integer(instances.size)];
    switch (random.integer(6)) {
      case 0:
        await rig.killAgent();
        await rig.pass(random.integer(500));
        await rig.startAgent();
        break;
      case 1:
        rig.cluster.cut();
        break;
      case 2:
        rig.cluster.isReachable = true;
        break;
      case 3:
        await rig.powerCut();
        break;
      case 4:
        if (!victim || instances.size < 3) break;
        instances.delete(victim.id);
        rig.cluster.forget(victim.id);
        break;
      default:
        if (!victim) break;
        instances.set(victim.id, { ...victim, restartNonce: victim.restartNonce + 1 });
        rig.cluster.want({ ...victim, restartNonce: victim.restartNonce + 1 });
    }
  }
}

test('after any trouble each wanted instance runs once, and nothing else does', async () => {
  for (let seed = 1; seed <= 15; seed++) {
    const instances = new Map([1, 2, 3, 4, 5].map((slot) => exampleInstance({ slot, serial: slot })).map((instance) => [instance.id, instance] as const));
    const rig = await started([...instances.values()], seed);
    await trouble(rig, instances);
    rig.cluster.isReachable = true;
    await rig.pass(60_000);
    const statuses = [...instances.keys()].map((id) => rig.cluster.status(id));
    assert.deepEqual(
      statuses.map((status) => status?.phase),
      statuses.map(() => 'running'),
      `seed ${seed}`,
    );
    const pids = statuses.flatMap((status) => status?.pid ?? []).sort((a, b) => a - b);
    assert.deepEqual(living(rig, 'server'), pids, `seed ${seed}\n${rig.simulation.trace.join('\n')}`);
    const held = [...rig.cluster.items.keys()].filter((key) => key.startsWith('/statuses/')).sort();
    assert.deepEqual(held, [...instances.keys()].map((id) => keyOf.status(id)).sort(), `seed ${seed}`);
  }
});
