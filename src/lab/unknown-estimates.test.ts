import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeQueuePolicy } from '#policy/queue/policies';
import { jainIndex } from './fairness.ts';
import type { ListedJob } from './job-source.ts';
import { ListSource } from './job-source.ts';
import { JobSimulation } from './simulator.ts';

const SECOND = 1_000_000;

function simulationOf(policy: string, jobs: readonly ListedJob[], workers: number, slice?: (tenant: string, time: number) => void): JobSimulation {
  return new JobSimulation({
    policy: makeQueuePolicy(policy),
    source: new ListSource(jobs),
    workers,
    pooled: true,
    jobs: jobs.length,
    seed: 1,
    window: 'all',
    observer: { slice: (task, from, to) => slice?.(task.tenant, to - from) },
  });
}

test('conservative backfilling ends jobs that nobody estimated, or that overran by hours, with few plans anew', () => {
  for (const estimate of [0, 1]) {
    const jobs = Array.from({ length: 200 }, (_, index) => ({
      at: index * SECOND,
      size: (1 + ((index * 7_919) % 3_600)) * SECOND,
      width: 1 + ((index * 31) % 6),
      estimate,
    }));
    let plans = 0;
    const simulation = simulationOf('conservative', jobs, 8);
    const wakeAt = simulation.wakeAt.bind(simulation);
    // Each decision asks to be woken at most once: more decisions than events would be a plan that creeps.
    simulation.wakeAt = (moment) => {
      plans += 1;
      wakeAt(moment);
    };
    simulation.simulate();
    assert.deepEqual([simulation.statistics.finished, simulation.fallback], [200, '']);
    // A running job doubles what is expected of it: at most 1 + log2(3,600 s / 1 s) times, and eight run at once.
    assert.ok(plans < 200 * (2 + 13), `${plans} decisions`);
  }
});

test('a job that overruns delays the plan, and one behind it starts when it ends, not when it should have', () => {
  const starts = new Map<string, number>();
  const jobs = [
    { at: 0, size: 100 * SECOND, estimate: 10 * SECOND, width: 4, label: 'long' },
    { at: 1, size: 5 * SECOND, width: 8, label: 'wide' },
    { at: 2, size: 5 * SECOND, width: 4, label: 'small' },
  ];
  new JobSimulation({
    policy: makeQueuePolicy('conservative'),
    source: new ListSource(jobs),
    workers: 8,
    pooled: true,
    jobs: 3,
    seed: 1,
    window: 'all',
    observer: { finished: (task) => void starts.set(task.id, task.firstStart) },
  }).simulate();
  assert.deepEqual(Object.fromEntries(starts), { long: 0, wide: 100 * SECOND, small: 2 });
});

test('deficit round robin is fair by service received when nobody knows how long jobs are, or when a tenant lies', () => {
  for (const estimateOf of [() => 0, (size: number) => size, (_size: number, tenant: string) => (tenant === 'long' ? 1 : 0)]) {
    const jobs: ListedJob[] = [];
    for (let index = 0; index < 4_000; index += 1) {
      jobs.push({ at: 0, size: 1_000, tenant: 'short', estimate: estimateOf(1_000, 'short') });
      jobs.push({ at: 0, size: 20_000, tenant: 'long', estimate: estimateOf(20_000, 'long') });
    }
    const served: Record<string, number> = { short: 0, long: 0 };
    const slice = (tenant: string, time: number): void => {
      served[tenant] = (served[tenant] ?? 0) + time;
    };
    simulationOf('drr?quantum=5ms', jobs, 2, slice).simulate(2 * SECOND);
    assert.ok(jainIndex(Object.values(served)) > 0.995, JSON.stringify(served));
  }
});

test('a debt of deficit round robin is kept while its tenant has nothing waiting, and far larger tasks than the quantum cost no search', () => {
  const jobs: ListedJob[] = [
    { at: 0, size: 36_000 * SECOND, tenant: 'a', estimate: 0 },
    { at: 1, size: 36_000 * SECOND, tenant: 'b', estimate: 36_000 * SECOND },
    { at: 36_000 * SECOND, size: 36_000 * SECOND, tenant: 'a', estimate: 0 },
  ];
  const finished: string[] = [];
  const simulation = new JobSimulation({
    policy: makeQueuePolicy('drr?quantum=1us'),
    source: new ListSource(jobs),
    workers: 1,
    jobs: 3,
    seed: 1,
    window: 'all',
    observer: { finished: (task) => void finished.push(task.tenant) },
  }).simulate();
  assert.deepEqual([finished, simulation.fallback], [['a', 'b', 'a'], '']);
});

test('least attained service makes room for wide jobs without a refused action, and serves all', () => {
  const jobs = Array.from({ length: 500 }, (_, index) => ({
    at: index * 100_000,
    size: 50_000 + ((index * 7_919) % 2_000_000),
    width: [1, 1, 1, 2, 4, 8, 16][index % 7] as number,
  }));
  const simulation = simulationOf('las?quantum=100ms', jobs, 16);
  simulation.simulate();
  assert.deepEqual([simulation.statistics.finished, simulation.fallback, [...simulation.invalid]], [500, '', []]);
});
