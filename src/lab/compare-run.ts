import { power } from '#base/elementary';
import { PlatformError } from '#base/errors';
import { parsePolicyString } from '#policy/policy-string';
import { makeQueuePolicy } from '#policy/queue/policies';
import type { Micros } from '#policy/queue/queue-policy';
import { SHARING } from '#policy/queue/sharing';
import type { Interval } from './compare-interval.ts';
import type { SizeBin, WindowJob } from './compare-recorder.ts';
import { Recorder, SLOWDOWN_UNIT } from './compare-recorder.ts';
import type { JobTable } from './compare-table.ts';
import { resampleTable, TableSource } from './compare-table.ts';
import { jainIndex } from './fairness.ts';
import type { Histogram } from './histogram.ts';
import type { JobSource } from './job-source.ts';
import { UNIT } from './job-source.ts';
import type { JobStatistics } from './job-statistics.ts';
import { parseLaw } from './laws.ts';
import { observers, predicting } from './predicting-source.ts';
import type { Scenario } from './scenario.ts';
import { estimatorOf, sourceOf } from './scenario.ts';
import { SharingSimulation } from './sharing-simulator.ts';
import type { SimulationObserver } from './simulation-options.ts';
import { JobSimulation } from './simulator.ts';
import type { WindowMeter } from './window-meter.ts';

/** One run of a comparison as plain data: a policy, a workload, a seed. */
export interface ComparedRun {
  /** Where the jobs come from unless there is a table. */
  readonly scenario: Scenario;
  readonly table?: JobTable;
  /** Run a moving-block resample of the table, drawn by the seed. */
  readonly isResampled?: boolean;
  /** Also record what pictures need. */
  readonly isDetailed?: boolean;
}

export type Curve = readonly (readonly [x: number, y: number])[];

export interface TenantFigures {
  readonly tenant: string;
  readonly jobs: number;
  readonly meanResponse: number;
  readonly p99Response: number;
  readonly meanSlowdown: number;
  /** Part of all service. */
  readonly share: number;
}

/** What pictures are drawn from; times in seconds. */
export interface RunPictures {
  readonly responses: Curve;
  readonly waits: Curve;
  readonly slowdowns: Curve;
  readonly queue: Curve;
  readonly window: readonly WindowJob[];
}

/** What one run found, as plain data; times in seconds. */
export interface RunFigures {
  readonly policy: string;
  readonly metrics: Readonly<Record<string, Interval>>;
  readonly tenants: readonly TenantFigures[];
  readonly sizes: readonly SizeBin[];
  readonly pictures?: RunPictures;
  readonly events: number;
  /** Why first come, first served took over; empty if it did not. */
  readonly fallback: string;
  readonly invalid: Readonly<Record<string, number>>;
}

const CURVE_POINTS = 240;
const TAIL_DECADES = 4;
const TAIL_POINTS = 20;

interface Ended {
  readonly statistics: JobStatistics;
  readonly meter: WindowMeter;
  readonly events: number;
  readonly lastDeparture: Micros;
  readonly fallback: string;
  readonly invalid: ReadonlyMap<string, number>;
  /** Whether the worker was shared exactly. */
  readonly isShared: boolean;
}

/** Runs one policy on one workload. INVALID for a policy or a workload that does not make sense. */
export function runCompared(run: ComparedRun): RunFigures {
  const { scenario } = run;
  const table = run.table === undefined || run.isResampled !== true ? run.table : resampleTable(run.table, scenario.seed);
  const jobs = table?.jobs ?? scenario.jobs;
  const warmup = table === undefined ? scenario.warmup : 0;
  if (warmup >= jobs) throw new PlatformError('INVALID', `Cannot compare on ${jobs} jobs after a warm-up of ${warmup}, because at least one must be measured`);
  const tau = scenario.tau ?? 10 * UNIT;
  const recorder = new Recorder({ tau, jobs, warmup, isDetailed: run.isDetailed === true });
  const drawn = table === undefined ? sourceOf(scenario) : new TableSource(table, { seed: scenario.seed, estimate: estimatorOf(scenario) });
  const predicted = scenario.estimates?.model === 'predicted' ? predicting(drawn, scenario.estimates.by) : undefined;
  const source = recorder.counting(predicted?.source ?? drawn);
  const observer = observers(recorder, predicted?.observer);
  const ended = simulate(scenario, { source, jobs, warmup, observer, isTrace: table !== undefined, isWide: table?.width.some((width) => width > 1) === true });
  return {
    policy: scenario.policy,
    metrics: metricsOf(scenario, ended, recorder),
    tenants: tenantsOf(recorder),
    sizes: [...recorder.sizes.values()].sort((a, b) => a.low - b.low),
    ...(run.isDetailed === true ? { pictures: picturesOf(ended, recorder) } : {}),
    events: ended.events,
    fallback: ended.fallback,
    invalid: Object.fromEntries(ended.invalid),
  };
}

interface Input {
  readonly source: JobSource;
  readonly jobs: number;
  readonly warmup: number;
  readonly observer: SimulationObserver;
  readonly isTrace: boolean;
  readonly isWide: boolean;
}

function simulate(scenario: Scenario, input: Input): Ended {
  const { source, jobs, warmup, observer } = input;
  const common = { source, jobs, warmup, tau: scenario.tau ?? 10 * UNIT, observer, window: input.isTrace ? ('all' as const) : ('steady' as const) };
  const policy = parsePolicyString(scenario.policy);
  const sharing = policy.options.size === 0 ? SHARING[policy.name] : undefined;
  if (sharing !== undefined) {
    if (scenario.workers !== 1 || input.isWide) {
      throw new PlatformError('UNSUPPORTED', `Cannot share by "${scenario.policy}" here, because exact sharing is for one worker and jobs that need one`);
    }
    const simulation = new SharingSimulation({ policy: sharing, ...common }).simulate();
    return {
      statistics: simulation.statistics,
      meter: simulation.meter,
      events: simulation.events,
      lastDeparture: simulation.lastDeparture,
      fallback: '',
      invalid: new Map(),
      isShared: true,
    };
  }
  const { failures, setup, patience, capacity } = scenario;
  const simulation = new JobSimulation({
    policy: makeQueuePolicy(scenario.policy),
    workers: scenario.workers,
    seed: scenario.seed,
    ...common,
    pooled: input.isWide,
    switchCost: scenario.switchCost ?? 0,
    switchMode: scenario.switchMode ?? 'every-slice',
    ...(setup === undefined ? {} : { setup: parseLaw(setup) }),
    ...(capacity === undefined ? {} : { capacity }),
    ...(patience === undefined ? {} : { patience: parseLaw(patience) }),
    ...(failures === undefined ? {} : { failures: { up: parseLaw(failures.up), down: parseLaw(failures.down), progress: failures.progress } }),
  }).simulate();
  const { statistics, meter, events, lastDeparture, fallback, invalid } = simulation;
  return { statistics, meter, events, lastDeparture, fallback, invalid, isShared: false };
}

function metricsOf(scenario: Scenario, ended: Ended, recorder: Recorder): Record<string, Interval> {
  const { statistics, meter } = ended;
  const metrics: Record<string, Interval> = {};
  const plain = (name: string, value: number): void => {
    metrics[name] = { value, halfWidth: 0 };
  };
  const kinds = [
    ['response', statistics.response, statistics.responses, UNIT, 1, 0],
    ['wait', statistics.wait, statistics.waits, UNIT, 1, 0],
    ['slowdown', statistics.slowdown, recorder.slowdowns, SLOWDOWN_UNIT, SLOWDOWN_UNIT, 1],
    ['bounded_slowdown', statistics.boundedSlowdown, recorder.bounded, SLOWDOWN_UNIT, SLOWDOWN_UNIT, 1],
  ] as const;
  for (const [name, batches, histogram, unit, scale, least] of kinds) {
    // Slowdowns are averaged as they are, and kept in the histogram in millionths; times are in microseconds in both. A histogram answers
    // the middle of a bucket, which can be just below the least possible value.
    const divisor = unit / scale;
    metrics[`mean_${name}`] = { value: batches.mean / divisor, halfWidth: batches.halfWidth / divisor };
    for (const percent of [50, 95, 99]) plain(`p${percent}_${name}`, Math.max(least, histogram.quantile(percent / 100) / unit));
    plain(`max_${name}`, batches.most / divisor);
  }
  plain('largest_slowdown', slowdownOfLargest(recorder, 0.01));
  const length = Math.max(1, meter.length);
  plain('throughput', ((meter.arrived - meter.rejected - meter.abandoned) / length) * UNIT);
  plain('utilisation', meter.busy / length / scenario.workers);
  plain('makespan', ended.lastDeparture / UNIT);
  const finished = Math.max(1, statistics.finished);
  // Exact sharing has no slices to count: it stands for infinitely many.
  if (!ended.isShared) plain('interruptions_per_job', Math.max(0, statistics.slices - finished) / finished);
  if (!ended.isShared) plain('overhead_fraction', meter.overhead / length / scenario.workers);
  plain('mean_number_in_system', meter.inSystem / length);
  plain('jain_fairness', jainIndex([...recorder.tenants.values()].map((tenant) => tenant.slowdown / tenant.count)));
  plain('p_block', meter.rejected / Math.max(1, meter.arrived));
  plain('p_abandon', meter.abandoned / Math.max(1, meter.arrived));
  plain('jobs', statistics.finished);
  return metrics;
}

/** Mean slowdown of about the largest `part` of the jobs, by whole size bins: who pays for favouring small ones. */
function slowdownOfLargest(recorder: Recorder, part: number): number {
  const bins = [...recorder.sizes.values()].sort((a, b) => b.low - a.low);
  const wanted = part * bins.reduce((sum, bin) => sum + bin.count, 0);
  let count = 0;
  let slowdown = 0;
  for (const bin of bins) {
    if (count >= wanted && count > 0) break;
    count += bin.count;
    slowdown += bin.slowdown;
  }
  return count === 0 ? 0 : slowdown / count;
}

function tenantsOf(recorder: Recorder): readonly TenantFigures[] {
  const all = [...recorder.tenants.values()].reduce((sum, tenant) => sum + tenant.service, 0);
  return [...recorder.tenants].map(([tenant, record]) => ({
    tenant,
    jobs: record.count,
    meanResponse: record.response / record.count / UNIT,
    p99Response: record.responses.quantile(0.99) / UNIT,
    meanSlowdown: record.slowdown / record.count,
    share: all === 0 ? 0 : record.service / all,
  }));
}

function picturesOf(ended: Ended, recorder: Recorder): RunPictures {
  const scaled = (histogram: Histogram, unit: number): Curve => histogram.curve(CURVE_POINTS).map(([value, fraction]) => [value / unit, fraction]);
  return {
    responses: scaled(ended.statistics.responses, UNIT),
    waits: scaled(ended.statistics.waits, UNIT),
    slowdowns: tailOf(recorder.slowdowns, SLOWDOWN_UNIT),
    queue: recorder.queue.points().map(([at, inSystem]) => [at / UNIT, inSystem]),
    window: [...recorder.window.values()],
  };
}

/** A curve with as many points between 99 % and 99.9 % as between 90 % and 99 %: for looking at the tail. */
function tailOf(histogram: Histogram, unit: number): Curve {
  const decades = Math.min(TAIL_DECADES, Math.floor(Math.log10(Math.max(10, histogram.total))));
  return Array.from({ length: decades * TAIL_POINTS + 1 }, (_, index) => {
    const fraction = 1 - 1 / power(10, index / TAIL_POINTS);
    return [histogram.quantile(fraction) / unit, fraction] as const;
  });
}
