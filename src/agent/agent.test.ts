import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Instance, InstanceId } from '#model/instance';
import { keyOf } from '#model/keys';
import { AgentRig, HOST } from './testing/agent-rig.ts';
import { EXAMPLE_NODE, exampleInstance, stopping } from './testing/example-instance.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function started(instances: readonly Instance[], seed = 1): Promise<AgentRig> {
  const rig = new AgentRig({ seed, drain });
  for (const instance of instances) rig.cluster.want(instance);
  await rig.startAgent();
  return rig;
}

const phases = (rig: AgentRig, id: InstanceId): string[] =>
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

test('what an instance uses is told soon after it runs, not only at the next measurement of all', async () => {
  const instance = exampleInstance();
  const rig = await started([instance]);
  await rig.reach(instance.id, 'running');
  await rig.pass(3_000);
  assert.ok((rig.cluster.status(instance.id)?.usage?.memoryBytes ?? 0) > 0);
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

test('what runs once is started once: it stops with code 0, or has failed with its last lines', async () => {
  for (const code of ['0', '3']) {
    const spec = { run: { kind: 'process' as const, command: ['mortal'] as const }, listens: false };
    const instance = exampleInstance({ environment: { LIFE_MS: '50', CODE: code }, runsOnce: { timeoutMs: 60_000 }, spec });
    const rig = await started([instance]);
    const ended = await rig.reach(instance.id, code === '0' ? 'stopped' : 'failed');
    assert.deepEqual([ended.exit, ended.attempt, ended.output], [{ code: Number(code) }, 1, ['about to end', 'ending now']]);
    await rig.pass(60_000);
    assert.equal(rig.cluster.status(instance.id)?.attempt, 1);
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
  const rig = new AgentRig({ drain });
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
  assert.equal(waiting.failure, 'alive-check', JSON.stringify(waiting));
  assert.match(waiting.reason, /failed 3 times: GET \/alive answered 500/);
  assert.equal((await rig.reach(instance.id, 'running')).attempt, 2);
});

test('an alive check that fails now and then is not forgiven before it passed `rise` times in a row (H3)', async () => {
  const alive = { probe: { kind: 'http', path: '/alive' }, intervalMs: 5_000, timeoutMs: 1_000, rise: 2, fall: 3 } as const;
  const checks = { startup: { intervalMs: 250, timeoutMs: 1_000, startTimeoutMs: 10_000 }, alive };
  const everyOther = exampleInstance({ environment: { FAIL_EVERY: '2' }, spec: { checks } });
  const everyThird = exampleInstance({ slot: 2, serial: 2, environment: { FAIL_EVERY: '3' }, spec: { checks } });
  const rig = await started([everyOther, everyThird]);
  await rig.reach(everyThird.id, 'running');
  assert.equal((await rig.reach(everyOther.id, 'backing-off', 60_000)).failure, 'alive-check');
  await rig.pass(120_000);
  assert.equal(rig.cluster.status(everyThird.id)?.attempt, 1);
});

test('a node starts a few instances at once, in the order they came, and a slow one does not hold up the others', async () => {
  const slow = Array.from({ length: 4 }, (_, index) => exampleInstance({ slot: index + 1, serial: index + 1, environment: { READY_AFTER_MS: '9000' } }));
  const quick = Array.from({ length: 12 }, (_, index) => exampleInstance({ slot: index + 5, serial: index + 5, environment: { READY_AFTER_MS: '500' } }));
  const rig = await started(slow);
  await rig.pass(1_000);
  assert.equal(rig.starts('server'), 4);
  for (const instance of quick) rig.cluster.want(instance);
  await rig.pass(1_000);
  assert.equal(rig.starts('server'), 4);
  assert.match(rig.cluster.status((quick[0] as Instance).id)?.reason ?? '', /waiting for its turn: \d+ others/);
  // One that is not wanted any more gives up its turn.
  rig.cluster.want(stopping(quick[0] as Instance));
  await rig.reach((quick[0] as Instance).id, 'stopped', 1_000);
  await rig.pass(3_500);
  assert.equal(rig.starts('server'), 8);
  for (const { id } of [...quick.slice(1), ...slow]) await rig.reach(id, 'running', 10_000);
  assert.equal(rig.starts('server'), 15);
});

test('a secret that cannot be read yet keeps the start waiting with the reason, uncounted', async () => {
  const instance = exampleInstance({ secrets: ['PASSWORD'] });
  const rig = new AgentRig({ drain });
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
  const rig = new AgentRig({ drain });
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
