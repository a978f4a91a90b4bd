import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeQueuePolicy, POLICIES } from '#policy/queue/policies';
import { parseEventLog } from './event-log.ts';
import { recordingOf } from './event-log-jobs.ts';
import { LogWriter } from './event-log-writer.ts';
import type { JobSource, ListedJob } from './job-source.ts';
import { ListSource } from './job-source.ts';
import type { SimulationObserver } from './simulation-options.ts';
import { JobSimulation } from './simulator.ts';

/** Policies by their bare names and with options that matter at a scale of microseconds. */
const DECIDING = [
  ...Object.keys(POLICIES),
  'time-slice?quantum=2us',
  'las?quantum=2us',
  'mlfq?allotments=2us,5us&boost=20us',
  'round-robin?quantum=3us',
  'drr?quantum=4us',
  'stride?quantum=2us',
  'priority?preempt=yes&ageing=5us',
  'gang-las?thresholds=9us,30us',
];
const WIDE = ['fifo', 'sjf', 'easy', 'easy-sjbf', 'conservative', 'drf', 'gang-las?thresholds=9us,30us', 'las?quantum=2us'];
const WORKERS = 4;

const job = fc.record({
  at: fc.integer({ min: 0, max: 60 }),
  size: fc.integer({ min: 1, max: 20 }),
  estimate: fc.integer({ min: 0, max: 30 }),
  priority: fc.integer({ min: 0, max: 3 }),
  tenant: fc.constantFrom('a', 'b', 'c'),
  weight: fc.integer({ min: 1, max: 3 }),
  width: fc.integer({ min: 1, max: WORKERS }),
  deadline: fc.integer({ min: 1, max: 100 }),
});
const wide = fc.array(job, { minLength: 1, maxLength: 25 }).map((jobs) => jobs.sort((a, b) => a.at - b.at));
const narrow = wide.map((jobs) => jobs.map((one) => ({ ...one, width: 1 })));

interface Decisions {
  readonly simulation: JobSimulation;
  /** Who was served when and where, in order. */
  readonly slices: string[];
}

function decide(policy: string, source: JobSource, jobs: number, options: { readonly observer?: SimulationObserver; readonly isWide: boolean }): Decisions {
  const slices: string[] = [];
  const simulation = new JobSimulation({
    policy: makeQueuePolicy(policy),
    source,
    workers: WORKERS,
    pooled: options.isWide,
    jobs,
    seed: 1,
    window: 'all',
    observer: {
      slice: (task, from, to) => {
        slices.push(`${task.id} ${from} ${to} ${task.worker}`);
        options.observer?.slice?.(task, from, to);
      },
      finished: (task, now) => options.observer?.finished?.(task, now),
    },
  });
  return { simulation, slices };
}

test('what one host wrote down, another decides again in the very same way, under every policy', () => {
  fc.assert(
    fc.property(narrow, fc.constantFrom(...DECIDING), (jobs, policy) => {
      const writer = new LogWriter({ logsEstimates: true });
      const first = decide(policy, writer.writing(new ListSource(jobs)), jobs.length, { observer: writer, isWide: false });
      first.simulation.simulate();
      const recording = recordingOf(parseEventLog(writer.text({ workers: WORKERS, policy })));
      const again: readonly ListedJob[] = recording.jobs.map((one) => ({ ...one, at: one.submitted, size: one.service, label: one.id }));
      // A recording counts from its first event.
      const begin = jobs[0]?.at ?? 0;
      const second = decide(policy, new ListSource(again.map((one) => ({ ...one, at: one.at + begin, deadline: (one.deadline ?? 0) + begin }))), jobs.length, {
        isWide: false,
      });
      second.simulation.simulate();
      assert.deepEqual(second.slices, first.slices, policy);
    }),
    { numRuns: 400 },
  );
});

test('a policy of wide jobs restored from its snapshot in the middle of a run decides on identically', () => {
  fc.assert(
    fc.property(wide, fc.integer({ min: 0, max: 120 }), fc.constantFrom(...WIDE), (jobs, at, policy) => {
      const whole = decide(policy, new ListSource(jobs), jobs.length, { isWide: true });
      whole.simulation.simulate();
      const { simulation, slices } = decide(policy, new ListSource(jobs), jobs.length, { isWide: true });
      simulation.simulate(at);
      const snapshot = JSON.parse(JSON.stringify(simulation.policy.snapshot())) as Record<string, unknown>;
      simulation.switchPolicy(makeQueuePolicy(policy), snapshot);
      simulation.simulate();
      assert.deepEqual(slices, whole.slices, `${policy} at ${at}`);
      assert.equal(simulation.fallback, '');
    }),
    { numRuns: 400 },
  );
});

test('dominant resource fairness is strategy-proof: who asks for more than it needs never gets more tasks', () => {
  const demand = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }));
  const tasksOf = (capacity: readonly number[], demands: readonly (readonly number[])[]): number => {
    const jobs = demands.flatMap((own, user) => Array.from({ length: 40 }, (): ListedJob => ({ at: 0, size: 5, tenant: `user-${user}`, demand: own })));
    const simulation = new JobSimulation({
      policy: makeQueuePolicy('drf'),
      source: new ListSource(jobs),
      workers: jobs.length,
      resources: capacity,
      pooled: true,
      jobs: jobs.length,
      seed: 1,
    }).simulate(1);
    return simulation.running.filter((task) => task.tenant === 'user-0').length;
  };
  fc.assert(
    fc.property(
      fc.tuple(fc.integer({ min: 8, max: 30 }), fc.integer({ min: 8, max: 30 })),
      demand,
      fc.array(demand, { minLength: 1, maxLength: 3 }),
      fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 4 })),
      (capacity, own, others, [more, most]) => {
        const lie = [own[0] + more, own[1] + most] as const;
        assert.ok(tasksOf(capacity, [lie, ...others]) <= tasksOf(capacity, [own, ...others]));
      },
    ),
    { numRuns: 300 },
  );
});

test('a job that demands more of a resource than the cluster has is turned away with a reason, and the others run', () => {
  const simulation = new JobSimulation({
    policy: makeQueuePolicy('drf'),
    source: new ListSource([
      { at: 0, size: 5, demand: [1, 9] },
      { at: 0, size: 5, demand: [1, 2] },
    ]),
    workers: 2,
    resources: [4, 8],
    pooled: true,
    jobs: 2,
    seed: 1,
  }).simulate();
  assert.deepEqual(
    [simulation.statistics.finished, [...simulation.invalid], simulation.fallback],
    [1, [['job that demands more than the cluster has', 1]], ''],
  );
});
