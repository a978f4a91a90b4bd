import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSimulation } from '#world/conformance/start-simulation';
import type { Simulation } from '#world/simulated/simulation';
import type { RunningProcess } from '#world/world';
import { Keeper } from './keeper.ts';

const HOST = 'machine';
const part = { command: 'part', args: [], workingDirectory: '/', environment: {} };

/** A machine with a supervisor that keeps one part, which leaves a child when it is killed alone. */
function machine(seed: number, options: { readonly leftoversMs?: number } = {}): Simulation {
  const simulation = startSimulation({ seed });
  simulation.program('child', async ({ world }) => await world.clock.sleep(1e12));
  simulation.program('part', async ({ world, signal, fork }) => {
    fork('child');
    await world.clock.sleep(1e12, signal);
  });
  simulation.program('supervisor', async ({ world, signal }) => {
    await world.disk.makeDirectory('/run');
    await new Keeper(world, { name: 'part', runDirectory: '/run', spec: part, ...options }).run(signal);
  });
  return simulation;
}

async function supervise(simulation: Simulation): Promise<RunningProcess> {
  const { processes } = simulation.host(HOST).world;
  return await simulation.complete(processes.spawn({ ...part, command: 'supervisor' }));
}

const parts = (simulation: Simulation) => simulation.host(HOST).running.filter(({ spec }) => spec.command === 'part');

test('a supervisor killed at any moment leaves one process, which the next one keeps', async () => {
  for (let ms = 0; ms <= 30; ms++) {
    const simulation = machine(ms);
    const first = await supervise(simulation);
    await simulation.run({ untilMs: simulation.nowMs + ms });
    await simulation.complete(first.signal('SIGKILL'));
    await simulation.run({ untilMs: simulation.nowMs + 100 });
    const before = parts(simulation);
    await supervise(simulation);
    await simulation.run({ untilMs: simulation.nowMs + 5_000 });
    const after = parts(simulation);
    assert.equal(after.length, 1, `killed after ${ms} ms: ${after.length} processes`);
    if (before.length > 0) assert.deepEqual(after, before, `killed after ${ms} ms: it was started again`);
  }
});

test('what a part left behind is ended before the next is started', async () => {
  const simulation = machine(1);
  await supervise(simulation);
  await simulation.run({ untilMs: 1_000 });
  const [first] = parts(simulation);
  simulation.host(HOST).killProcess(first?.identity.pid ?? 0);
  assert.equal(parts(simulation).length, 1, 'the child is left');
  await simulation.run({ untilMs: simulation.nowMs + 5_000 });
  const left = parts(simulation);
  assert.equal(left.length, 1);
  assert.notDeepEqual(left[0]?.identity, first?.identity);
});

test('what a part left behind goes on beside the next for as long as it may, and ends with the supervisor', async () => {
  const killLeader = async (simulation: Simulation) => {
    await simulation.run({ untilMs: simulation.nowMs + 1_000 });
    const [first] = parts(simulation);
    simulation.host(HOST).killProcess(first?.identity.pid ?? 0);
    await simulation.run({ untilMs: simulation.nowMs + 2_000 });
    return first;
  };
  const timed = machine(1, { leftoversMs: 4_000 });
  await supervise(timed);
  const first = await killLeader(timed);
  assert.equal(parts(timed).length, 2, 'the child, and the next part');
  await timed.run({ untilMs: timed.nowMs + 4_000 });
  const left = parts(timed);
  assert.equal(left.length, 1);
  assert.notDeepEqual(left[0]?.identity, first?.identity);

  const ended = machine(1, { leftoversMs: 1e9 });
  const supervisor = await supervise(ended);
  await killLeader(ended);
  assert.equal(parts(ended).length, 2);
  await ended.complete(supervisor.signal('SIGTERM'));
  await ended.run({ untilMs: ended.nowMs + 1_000 });
  assert.equal(parts(ended).length, 1, 'the next part is left to whoever comes');
});
