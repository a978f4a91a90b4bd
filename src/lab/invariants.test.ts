import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeQueuePolicy } from '#policy/queue/policies';
import { SHARING } from '#policy/queue/sharing';
import { simulateDispatch } from './dispatch-simulator.ts';
import { makeDispatcher } from './dispatchers.ts';
import type { ListedJob } from './job-source.ts';
import { ListSource } from './job-source.ts';
import { SharingSimulation } from './sharing-simulator.ts';
import type { SimulationObserver } from './simulation-options.ts';
import { JobSimulation } from './simulator.ts';

const WORK_CONSERVING = [
  'fifo',
  'lifo',
  'lifo-preemptive',
  'random-order',
  'round-robin',
  'round-robin?quantum=3us',
  'time-slice?quantum=2us',
  'sjf',
  'psjf',
  'srpt',
  'hrrn',
  'las?quantum=2us',
  'mlfq?allotments=2us,5us',
  'mlfq?allotments=1us&growth=2&demote=contended&preempt=no',
  'mlfq?allotments=1us,2us&boost=20us',
  'priority',
  'priority?preempt=yes&quantum=2us',
  'priority?preempt=yes&ageing=5us&order=high-first',
  'edf',
  'lottery?quantum=2us',
  'stride?quantum=2us',
  'stride?quantum=none',
  'drr?quantum=4us',
  'fair-share?half-life=50us',
  'fair-share?half-life=50us&quantum=3us',
  'drf',
  'gang-las?thresholds=4us,9us',
  'easy',
  'easy-sjbf',
  'conservative',
] as const;

const job = fc.record({
  at: fc.integer({ min: 0, max: 60 }),
  size: fc.integer({ min: 1, max: 20 }),
  priority: fc.integer({ min: 0, max: 3 }),
  tenant: fc.constantFrom('a', 'b', 'c'),
  weight: fc.integer({ min: 1, max: 3 }),
  deadline: fc.integer({ min: 1, max: 100 }),
});
const workload = fc.array(job, { minLength: 1, maxLength: 25 }).map((jobs) => jobs.sort((a, b) => a.at - b.at));

interface Outcome {
  readonly finish: readonly number[];
  readonly mean: number;
  readonly busy: number;
  readonly last: number;
  readonly area: number;
  readonly responses: number;
}

/** Notes when each job finished, by order of submission. */
function noting(finish: number[]): SimulationObserver {
  return {
    finished: (task, now) => {
      finish[task.seq] = now;
    },
  };
}

function run(policy: string, jobs: readonly ListedJob[], workers = 1): Outcome {
  const finish: number[] = [];
  const simulation = new JobSimulation({
    policy: makeQueuePolicy(policy),
    source: new ListSource(jobs),
    workers,
    jobs: jobs.length,
    seed: 1,
    window: 'all',
    observer: noting(finish),
  }).simulate();
  assert.equal(simulation.fallback, '', `${policy} fell back`);
  assert.deepEqual([...simulation.invalid], [], `${policy} was refused`);
  assert.equal(simulation.statistics.finished, jobs.length, `${policy} lost jobs`);
  const { response } = simulation.statistics;
  return {
    finish,
    mean: response.mean,
    busy: simulation.meter.busy,
    last: simulation.lastDeparture,
    area: simulation.meter.inSystem,
    responses: response.mean * response.count,
  };
}

function runSharing(name: string, jobs: readonly ListedJob[]): Outcome {
  const finish: number[] = [];
  const policy = SHARING[name];
  assert.ok(policy);
  const simulation = new SharingSimulation({
    policy,
    source: new ListSource(jobs),
    jobs: jobs.length,
    window: 'all',
    observer: noting(finish),
  }).simulate();
  const { response } = simulation.statistics;
  return {
    finish,
    mean: response.mean,
    busy: simulation.meter.busy,
    last: simulation.lastDeparture,
    area: simulation.meter.inSystem,
    responses: response.mean * response.count,
  };
}

test('busy time and last departure are the same for every work-conserving policy on one worker, and area under N(t) is the sum of T', () => {
  fc.assert(
    fc.property(workload, (jobs) => {
      const fifo = run('fifo', jobs);
      for (const policy of WORK_CONSERVING) {
        const outcome = run(policy, jobs);
        assert.deepEqual([outcome.busy, outcome.last], [fifo.busy, fifo.last], policy);
        assert.ok(Math.abs(outcome.area - outcome.responses) < 1e-6 * (1 + outcome.area), `Little's law under ${policy}`);
      }
      for (const name of Object.keys(SHARING)) assert.equal(runSharing(name, jobs).last, fifo.last, name);
    }),
    { numRuns: 60 },
  );
});

test('srpt has the smallest mean response of all policies on the same jobs', () => {
  fc.assert(
    fc.property(workload, (jobs) => {
      const least = run('srpt', jobs).mean;
      for (const policy of WORK_CONSERVING) assert.ok(least <= run(policy, jobs).mean + 1e-9, policy);
      for (const name of Object.keys(SHARING)) assert.ok(least <= runSharing(name, jobs).mean + 1, name);
    }),
    { numRuns: 40 },
  );
});

test('round robin with a quantum of the largest size is first come first served, and so are sjf and srpt with equal sizes', () => {
  fc.assert(
    fc.property(workload, fc.integer({ min: 1, max: 3 }), (jobs, workers) => {
      assert.deepEqual(run('time-slice?quantum=20us', jobs, workers).finish, run('fifo', jobs, workers).finish);
      const equal = jobs.map((one) => ({ ...one, size: 7 }));
      const fifo = run('fifo', equal, workers).finish;
      for (const policy of ['sjf', 'psjf', 'srpt', 'hrrn']) assert.deepEqual(run(policy, equal, workers).finish, fifo, policy);
    }),
    { numRuns: 60 },
  );
});

test('dispatch to the least work left is central first come first served, job by job', () => {
  fc.assert(
    fc.property(workload, fc.integer({ min: 1, max: 4 }), (jobs, workers) => {
      const central = run('fifo', jobs, workers);
      const dispatched = simulateDispatch({
        source: new ListSource(jobs),
        dispatcher: makeDispatcher('least-work-left'),
        replicas: workers,
        jobs: jobs.length,
        seed: 1,
      });
      assert.ok(Math.abs(central.mean - dispatched.response.mean) < 1e-9);
      assert.equal(central.finish.length, dispatched.response.count);
    }),
    { numRuns: 80 },
  );
});

test('multiplying all times multiplies all results', () => {
  fc.assert(
    fc.property(workload, fc.integer({ min: 2, max: 9 }), (jobs, factor) => {
      const scaled = jobs.map((one) => ({ ...one, at: one.at * factor, size: one.size * factor, deadline: one.deadline * factor }));
      for (const [policy, larger] of [
        ['fifo', 'fifo'],
        ['srpt', 'srpt'],
        ['edf', 'edf'],
        ['hrrn', 'hrrn'],
        ['time-slice?quantum=2us', `time-slice?quantum=${2 * factor}us`],
        ['mlfq?allotments=2us,5us', `mlfq?allotments=${2 * factor}us,${5 * factor}us`],
        ['las?quantum=2us', `las?quantum=${2 * factor}us`],
      ] as const) {
        assert.deepEqual(
          run(larger, scaled).finish,
          run(policy, jobs).finish.map((at) => at * factor),
          policy,
        );
      }
    }),
    { numRuns: 40 },
  );
});

test('renaming tenants changes nothing but names', () => {
  const renamed: Readonly<Record<string, string>> = { a: 'zebra', b: 'apple', c: 'mango' };
  fc.assert(
    fc.property(workload, (jobs) => {
      const other = jobs.map((one) => ({ ...one, tenant: renamed[one.tenant] ?? one.tenant }));
      for (const policy of ['drr?quantum=4us', 'stride?quantum=2us', 'lottery?quantum=2us', 'fair-share', 'drf']) {
        assert.deepEqual(run(policy, other).finish, run(policy, jobs).finish, policy);
      }
    }),
    { numRuns: 40 },
  );
});

test('weighted sharing with equal weights is processor sharing', () => {
  fc.assert(
    fc.property(workload, (jobs) => {
      const equal = jobs.map((one) => ({ ...one, weight: 2 }));
      for (const [index, at] of runSharing('dps', equal).finish.entries()) assert.ok(Math.abs(at - (runSharing('ps', equal).finish[index] ?? Number.NaN)) <= 1);
    }),
    { numRuns: 40 },
  );
});

test('a policy restored from its snapshot in the middle of a run goes on identically', () => {
  fc.assert(
    fc.property(workload, fc.integer({ min: 0, max: 120 }), fc.integer({ min: 1, max: 2 }), (exact, at, workers) => {
      const jobs = exact.map((one) => ({ ...one, estimate: 1 + ((7 * one.size + one.at) % 25) }));
      for (const policy of WORK_CONSERVING) {
        const finish: number[] = [];
        const simulation = new JobSimulation({
          policy: makeQueuePolicy(policy),
          source: new ListSource(jobs),
          workers,
          jobs: jobs.length,
          seed: 1,
          window: 'all',
          observer: noting(finish),
        }).simulate(at);
        const snapshot = JSON.parse(JSON.stringify(simulation.policy.snapshot())) as Record<string, unknown>;
        simulation.switchPolicy(makeQueuePolicy(policy), snapshot);
        simulation.simulate();
        assert.deepEqual(finish, run(policy, jobs, workers).finish, `${policy} at ${at}`);
      }
    }),
    { numRuns: 30 },
  );
});

test('switching to any other policy in the middle of a run loses no job', () => {
  fc.assert(
    fc.property(
      workload,
      fc.integer({ min: 0, max: 120 }),
      fc.constantFrom(...WORK_CONSERVING),
      fc.constantFrom(...WORK_CONSERVING),
      (jobs, at, before, after) => {
        const simulation = new JobSimulation({
          policy: makeQueuePolicy(before),
          source: new ListSource(jobs),
          workers: 2,
          jobs: jobs.length,
          seed: 1,
          window: 'all',
        });
        simulation.simulate(at).switchPolicy(makeQueuePolicy(after));
        simulation.simulate();
        assert.deepEqual([simulation.statistics.finished, simulation.fallback], [jobs.length, '']);
      },
    ),
    { numRuns: 150 },
  );
});
