import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeQueuePolicy } from '#policy/queue/policies';
import type { JobActions, JobEvent, JobView, QueuePolicy, Task } from '#policy/queue/queue-policy';
import type { ListedJob } from './job-source.ts';
import { ListSource } from './job-source.ts';
import { parseLaw } from './laws.ts';
import type { Scenario } from './scenario.ts';
import { runScenario } from './scenario.ts';
import type { SimulationOptions } from './simulation-options.ts';
import { JobSimulation } from './simulator.ts';

type Slice = readonly [id: string, from: number, to: number];

function slices(
  policy: string | QueuePolicy,
  jobs: readonly ListedJob[],
  options: Partial<SimulationOptions> = {},
): { readonly bars: readonly Slice[]; readonly simulation: JobSimulation } {
  const bars: Slice[] = [];
  const simulation = new JobSimulation({
    policy: typeof policy === 'string' ? makeQueuePolicy(policy) : policy,
    source: new ListSource(jobs.map((job, index) => ({ label: `j${index}`, ...job }))),
    workers: 1,
    jobs: jobs.length,
    seed: 1,
    window: 'all',
    observer: { slice: (task, from, to) => void bars.push([task.id, from, to]) },
    ...options,
  }).simulate();
  return { bars, simulation };
}

test('an arrival at the end of a slice is queued before the job whose slice ended', () => {
  const { bars } = slices('time-slice?quantum=2us', [
    { at: 0, size: 4 },
    { at: 2, size: 1 },
  ]);
  assert.deepEqual(bars, [
    ['j0', 0, 2],
    ['j1', 2, 3],
    ['j0', 3, 5],
  ]);
});

test('an equal key does not preempt, a strictly better one does, and a completion at the same instant comes first', () => {
  const equal = slices('srpt', [
    { at: 0, size: 5 },
    { at: 2, size: 3 },
  ]);
  assert.deepEqual(equal.bars[0], ['j0', 0, 5]);
  const better = slices('srpt', [
    { at: 0, size: 6 },
    { at: 2, size: 3 },
  ]);
  assert.deepEqual(better.bars, [
    ['j0', 0, 2],
    ['j1', 2, 5],
    ['j0', 5, 9],
  ]);
  const same = slices('lifo-preemptive', [
    { at: 0, size: 2 },
    { at: 2, size: 1 },
  ]);
  assert.equal(same.simulation.meter.preemptions, 0);
});

test('the cost of switching comes before useful work, each slice or only on a change of task', () => {
  const jobs = [
    { at: 0, size: 4 },
    { at: 100, size: 2 },
  ];
  const each = slices('time-slice?quantum=2us', jobs, { switchCost: 1, switchMode: 'every-slice' });
  assert.deepEqual(each.bars, [
    ['j0', 1, 3],
    ['j0', 4, 6],
    ['j1', 101, 103],
  ]);
  assert.deepEqual([each.simulation.meter.busy, each.simulation.meter.overhead], [9, 3]);
  const onChange = slices('time-slice?quantum=2us', jobs, { switchCost: 1, switchMode: 'on-change' });
  assert.deepEqual([onChange.simulation.meter.busy, onChange.simulation.meter.overhead], [8, 2]);
});

test('a job wider than the cluster is turned away with a reason, and the others run', () => {
  const { simulation } = slices(
    'fifo',
    [
      { at: 0, size: 1, width: 5 },
      { at: 0, size: 1 },
    ],
    { pooled: true, workers: 4 },
  );
  assert.deepEqual([simulation.statistics.finished, simulation.meter.rejected, [...simulation.invalid]], [1, 1, [['job wider than the cluster', 1]]]);
});

test('an estimate that is 0, too small or absurd changes the order, never the service', () => {
  const { bars } = slices('srpt', [
    { at: 0, size: 3, estimate: 0 },
    { at: 0, size: 2, estimate: 1e15 },
    { at: 1, size: 1, estimate: 1 },
  ]);
  assert.deepEqual(
    bars.map(([id, from, to]) => [id, to - from]),
    [
      ['j0', 3],
      ['j2', 1],
      ['j1', 2],
    ],
  );
});

test('a worker that fails takes the progress of its task with it, and the task is done in the end', () => {
  const options = { failures: { up: parseLaw('det?mean=0.000005'), down: parseLaw('det?mean=0.000002'), progress: 'kept' as const } };
  const { bars, simulation } = slices('round-robin', [{ at: 0, size: 8 }], options);
  assert.deepEqual(bars, [
    ['j0', 0, 5],
    ['j0', 7, 10],
  ]);
  assert.equal(simulation.statistics.finished, 1);
});

type Manner = 'throws' | 'nonsense' | 'loops' | 'looks' | 'ponders' | 'sleeps';

/** Policies that do nothing right. */
class Broken implements QueuePolicy {
  readonly name = 'broken';
  readonly uses = {};
  readonly #waiting: Task[] = [];
  readonly #manner: Manner;

  constructor(manner: Manner) {
    this.#manner = manner;
  }

  on(event: JobEvent): void {
    if (this.#manner === 'throws') throw new Error('no such thing');
    if (event.kind === 'arrive' && event.task !== undefined) this.#waiting.push(event.task);
  }

  decide(view: JobView, act: JobActions): void {
    const task = this.#waiting[0];
    if (this.#manner === 'sleeps' || task === undefined) return;
    if (this.#manner === 'nonsense') {
      act.run(task, Number.NaN, -1);
      act.run(task, 0, view.workers + 7);
      act.pause(task);
    }
    while (this.#manner === 'loops') act.pause(task);
    while (this.#manner === 'looks') for (const other of view.tasks()) view.attained(other);
    if (this.#manner === 'ponders' && view.free > 0 && act.run(task, 0, -1)) this.#waiting.shift();
  }

  explain(): readonly string[] {
    return [];
  }

  snapshot(): Readonly<Record<string, unknown>> {
    return {};
  }

  restore(): void {
    throw new Error('cannot be restored');
  }
}

test('a policy that throws, talks nonsense, loops or never decides is replaced by first come first served, and no job is lost', () => {
  const jobs = Array.from({ length: 20 }, (_, index) => ({ at: index, size: 3 }));
  for (const [manner, reason] of [
    ['throws', /threw: no such thing/],
    ['nonsense', /quantum that is not a duration|not free|does not run/],
    ['loops', /took \d+ actions/],
    ['looks', /looked at its tasks without end/],
    ['sleeps', /left waiting/],
  ] as const) {
    const { simulation } = slices(new Broken(manner), jobs);
    assert.equal(simulation.statistics.finished, 20, manner);
    assert.match(simulation.fallback, reason);
  }
});

test('a policy that exceeds its time for one decision is replaced, and no job is lost', () => {
  const jobs = Array.from({ length: 20 }, (_, index) => ({ at: index, size: 3 }));
  let now = 0;
  // Every look at the clock is 60 us later than the last.
  const clock = (): number => {
    now += 60;
    return now;
  };
  const slow = slices(new Broken('ponders'), jobs, { budget: { micros: 50, clock } }).simulation;
  assert.deepEqual([slow.statistics.finished, slow.fallback], [20, 'one decision of broken took 60 us, more than its budget of 50 us']);
  const quick = slices(new Broken('ponders'), jobs, { budget: { micros: 70, clock } }).simulation;
  assert.deepEqual([quick.statistics.finished, quick.fallback], [20, '']);
});

test('explain says in words and numbers why a task waits', () => {
  const simulation = new JobSimulation({
    policy: makeQueuePolicy('sjf'),
    source: new ListSource([
      { at: 0, size: 9, label: 'running' },
      { at: 1, size: 5, label: 'long' },
      { at: 2, size: 2, label: 'short' },
    ]),
    workers: 1,
    jobs: 3,
    seed: 1,
  }).simulate(5);
  assert.deepEqual(simulation.explain('long'), [
    '1 of 2 waiting tasks go before it by sjf',
    '0 of 1 workers are free',
    'next is short with an estimate of 2 us',
  ]);
  assert.deepEqual(simulation.explain('running'), ['runs on worker 0 since 0 us']);
});

const MM1: Scenario = {
  policy: 'fifo',
  classes: [{ tenant: 'all', weight: 1, priority: 0, gaps: 'exp?mean=2', sizes: 'exp?mean=1' }],
  workers: 1,
  jobs: 60_000,
  warmup: 6_000,
  seed: 3,
};

test('simulation agrees with theory at load 0.5 for a policy of each kind', () => {
  const expected: readonly (readonly [Partial<Scenario>, string, number])[] = [
    [{}, 'mean_response', 2],
    [{ policy: 'sjf' }, 'mean_response', 1.7127],
    [{ policy: 'ps' }, 'mean_slowdown', 2],
    [{ policy: 'las' }, 'mean_slowdown', 1.6093],
    [{ policy: 'mlfq?allotments=1s,3s' }, 'mean_response', 2],
    [{ policy: 'time-slice?quantum=250ms', switchCost: 10_000 }, 'mean_response', 2.1835],
    [{ setup: 'exp?mean=5' }, 'mean_wait', 6],
    [{ workers: 2, classes: [{ ...(MM1.classes[0] as Scenario['classes'][0]), gaps: 'exp?mean=1' }] }, 'p_wait', 1 / 3],
    [{ capacity: 1 }, 'p_block', 1 / 3],
    [{ dispatch: 'round-robin', workers: 2, classes: [{ ...(MM1.classes[0] as Scenario['classes'][0]), gaps: 'exp?mean=1' }] }, 'mean_response', 1.618],
  ];
  for (const [change, metric, value] of expected) {
    const measured = runScenario({ ...MM1, ...change }).metrics[metric]?.value ?? Number.NaN;
    assert.ok(Math.abs(measured / value - 1) < 0.06, `${JSON.stringify(change)} ${metric}: ${measured} against ${value}`);
  }
});

test('the same seed gives the same numbers to the last bit', () => {
  assert.deepEqual(runScenario({ ...MM1, jobs: 9_000 }), runScenario({ ...MM1, jobs: 9_000 }));
});
