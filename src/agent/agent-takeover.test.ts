import assert from 'node:assert/strict';
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

test('a killed agent leaves its instances running, and the next one takes them over within two seconds without a restart (B4)', async () => {
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
  // Between two measurements, which would be news.
  await rig.pass(35_000);
  rig.cluster.cut();
  await rig.pass(15_000);
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
  const rig = new AgentRig({ drain });
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

test('restarts and how the last attempt ended are remembered by the next agent (B3)', async () => {
  const instance = exampleInstance({ environment: { CODE: '2' }, spec: { run: { kind: 'process', command: ['mortal'] }, listens: false } });
  const rig = await started([instance]);
  await rig.simulation.run({ untilMs: 60_000, until: () => rig.cluster.status(instance.id)?.restarts === 3 });
  await rig.killAgent();
  await rig.startAgent();
  assert.deepEqual([rig.cluster.status(instance.id)?.lastEnd?.attempt, rig.cluster.status(instance.id)?.lastEnd?.reason], [3, 'exited with code 2']);
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

/** Pids of the living processes of a program, by the trace. */
function living(rig: AgentRig, command: string): number[] {
  const pids = new Set<number>();
  for (const line of rig.simulation.trace) {
    if (line.endsWith('machine crashes')) pids.clear();
    const [, pid, what = ''] = /process (\d+) (runs \S+|ended)/.exec(line) ?? [];
    if (what === `runs ${command}`) pids.add(Number(pid));
    if (what === 'ended') pids.delete(Number(pid));
  }
  return [...pids].sort((a, b) => a - b);
}

async function trouble(rig: AgentRig, instances: Map<InstanceId, Instance>): Promise<void> {
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

test('an agent that is killed at any moment of a start leaves one process, which the next one finds', async () => {
  for (let ms = 0; ms <= 40; ms++) {
    const instance = exampleInstance();
    const rig = await started([instance], ms);
    await rig.pass(ms);
    await rig.killAgent();
    await rig.startAgent();
    const status = await rig.reach(instance.id, 'running');
    assert.deepEqual(living(rig, 'server'), [status.pid], `killed after ${ms} ms`);
  }
});

test('what a leader left behind when it ended without an agent is ended before the next attempt', async () => {
  const instance = exampleInstance({ spec: { run: { kind: 'process', command: ['parent'] }, listens: false } });
  const rig = await started([instance]);
  const { pid } = await rig.reach(instance.id, 'running');
  await rig.killAgent();
  rig.simulation.host(HOST).killProcess(pid ?? 0);
  assert.deepEqual([living(rig, 'parent').length, living(rig, 'orphan').length], [0, 1]);
  const [orphan] = living(rig, 'orphan');
  await rig.startAgent();
  await rig.simulation.run({ untilMs: rig.simulation.nowMs + 10_000, until: () => rig.cluster.status(instance.id)?.attempt === 2 });
  await rig.reach(instance.id, 'running');
  assert.equal(living(rig, 'orphan').length, 1);
  assert.notDeepEqual(living(rig, 'orphan'), [orphan]);
});

/** The first ones, and one in which an agent dies between a start and the record of its process. */
const TROUBLED_SEEDS = [...Array.from({ length: 15 }, (_, index) => index + 1), 682];

test('after any trouble each wanted instance runs once, and nothing else does', async () => {
  for (const seed of TROUBLED_SEEDS) {
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
