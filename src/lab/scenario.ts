import { exp, ln } from '#base/elementary';
import { PlatformError } from '#base/errors';
import { parsePolicyString } from '#policy/policy-string';
import { makeQueuePolicy } from '#policy/queue/policies';
import type { Micros } from '#policy/queue/queue-policy';
import { SHARING } from '#policy/queue/sharing';
import { simulateDispatch, simulateForkJoin, simulateRedundancy } from './dispatch-simulator.ts';
import { makeDispatcher } from './dispatchers.ts';
import { jainIndex } from './fairness.ts';
import type { Estimator, JobSource } from './job-source.ts';
import { ClosedSource, OpenSource, UNIT } from './job-source.ts';
import type { JobStatistics } from './job-statistics.ts';
import { parseLaw } from './laws.ts';
import { predicting } from './predicting-source.ts';
import { SharingSimulation } from './sharing-simulator.ts';
import { JobSimulation } from './simulator.ts';
import type { WindowMeter } from './window-meter.ts';

/** One class of jobs of a scenario, in plain text so that it can cross threads. */
export interface ScenarioClass {
  readonly tenant: string;
  readonly weight: number;
  readonly priority: number;
  /** Law of the gaps between arrivals: Poisson arrivals are `exp`. */
  readonly gaps: string;
  readonly sizes: string;
}

/**
 * What policies are told of sizes. Oracles know them: `exact`, `exp` (exponential around the true size), `lognormal` with a spread of `sigma`. `declared` is what a trace
 * says. `predicted` comes from the jobs that have ended, by a predictor.
 */
export type Estimates =
  | { readonly model: 'exact' | 'exp' | 'lognormal' | 'declared'; readonly sigma?: number }
  | { readonly model: 'predicted'; readonly by: string; readonly sigma?: undefined };

/** A stochastic experiment, as plain data: the same scenario gives the same numbers everywhere. */
export interface Scenario {
  /** A queue policy, or `ps`, `dps`, `las` without a quantum: exact sharing. */
  readonly policy: string;
  /** Bind each request to a replica on arrival instead of queueing centrally: a dispatcher, `redundancy`, or `fork-join`. */
  readonly dispatch?: string;
  readonly copies?: number;
  readonly classes: readonly ScenarioClass[];
  /** Instead of open arrivals: this many customers that think. */
  readonly closed?: { readonly customers: number; readonly think: string };
  readonly workers: number;
  readonly jobs: number;
  readonly warmup: number;
  readonly seed: number;
  readonly switchCost?: Micros;
  readonly switchMode?: 'every-slice' | 'on-change';
  readonly setup?: string;
  readonly capacity?: number;
  readonly patience?: string;
  readonly failures?: { readonly up: string; readonly down: string; readonly progress: 'lost' | 'kept' };
  readonly estimates?: Estimates;
  readonly tau?: Micros;
  /** Draw sizes stratified where the law allows it: for means under heavy tails. */
  readonly isStratified?: boolean;
}

/** One measured number; `halfWidth` is half the 95 % confidence interval, 0 where none is known. */
export interface Metric {
  readonly value: number;
  readonly halfWidth: number;
}

export interface ScenarioResult {
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly events: number;
  /** Why a policy was replaced by first come, first served; empty if it was not. */
  readonly fallback: string;
  readonly invalid: Readonly<Record<string, number>>;
}

/** Runs a scenario. Times in the metrics are in units of the laws. */
export function runScenario(scenario: Scenario): ScenarioResult {
  checkScenario(scenario);
  const source = sourceOf(scenario);
  if (scenario.dispatch !== undefined) return runDispatch(scenario, source);
  const policy = parsePolicyString(scenario.policy);
  const sharing = policy.options.size === 0 ? SHARING[policy.name] : undefined;
  if (sharing !== undefined) {
    if (scenario.workers !== 1)
      throw new PlatformError('UNSUPPORTED', `Cannot share ${scenario.workers} workers by "${scenario.policy}", because exact sharing is for one worker`);
    const simulation = new SharingSimulation({ policy: sharing, source, ...sizesOf(scenario) }).simulate();
    return resultOf(scenario, simulation.statistics, simulation.meter, { events: simulation.events, fallback: '', invalid: new Map() });
  }
  const failures = scenario.failures;
  const predicted = scenario.estimates?.model === 'predicted' ? predicting(source, scenario.estimates.by) : undefined;
  const simulation = new JobSimulation({
    policy: makeQueuePolicy(scenario.policy),
    source: predicted?.source ?? source,
    ...(predicted === undefined ? {} : { observer: predicted.observer }),
    workers: scenario.workers,
    seed: scenario.seed,
    ...sizesOf(scenario),
    switchCost: scenario.switchCost ?? 0,
    switchMode: scenario.switchMode ?? 'every-slice',
    ...(scenario.setup === undefined ? {} : { setup: parseLaw(scenario.setup) }),
    ...(scenario.capacity === undefined ? {} : { capacity: scenario.capacity }),
    ...(scenario.patience === undefined ? {} : { patience: parseLaw(scenario.patience) }),
    ...(failures === undefined ? {} : { failures: { up: parseLaw(failures.up), down: parseLaw(failures.down), progress: failures.progress } }),
  }).simulate();
  return resultOf(scenario, simulation.statistics, simulation.meter, simulation);
}

/** Load per worker: arrivals × mean size / workers; above 1 the queue grows without bound. Undefined for a closed loop. */
export function offeredLoad(scenario: Scenario): number | undefined {
  if (scenario.closed !== undefined) return undefined;
  let load = 0;
  for (const one of scenario.classes) load += parseLaw(one.sizes).mean / parseLaw(one.gaps).mean;
  return load / scenario.workers;
}

function checkScenario(scenario: Scenario): void {
  const { jobs, warmup } = scenario;
  if (!Number.isInteger(jobs) || jobs < 1 || !Number.isInteger(warmup) || warmup < 0 || warmup >= jobs) {
    throw new PlatformError('INVALID', `Cannot simulate ${jobs} jobs after a warm-up of ${warmup}, because at least one job must be measured`, {
      jobs,
      warmup,
    });
  }
}

function sizesOf(scenario: Scenario): { readonly jobs: number; readonly warmup: number; readonly tau: Micros } {
  return { jobs: scenario.jobs, warmup: scenario.warmup, tau: scenario.tau ?? 10 * UNIT };
}

/** The arrivals of a scenario, seeded by it. */
export function sourceOf(scenario: Scenario): JobSource {
  const { jobs, seed } = scenario;
  const first = scenario.classes[0];
  if (first === undefined) throw new PlatformError('INVALID', 'Cannot simulate, because the scenario has no class of jobs');
  if (scenario.closed !== undefined) {
    return new ClosedSource({ customers: scenario.closed.customers, think: parseLaw(scenario.closed.think), size: parseLaw(first.sizes), jobs, seed });
  }
  const classes = scenario.classes.map((one) => ({ ...one, interarrival: parseLaw(one.gaps), size: parseLaw(one.sizes) }));
  const estimate = estimatorOf(scenario);
  const isStratified = scenario.isStratified === true;
  return new OpenSource(classes, estimate === undefined ? { jobs, seed, isStratified } : { jobs, seed, isStratified, estimate });
}

/** How a scenario's oracle errs; undefined when there is none. */
export function estimatorOf(scenario: Pick<Scenario, 'estimates'>): Estimator | undefined {
  const estimates = scenario.estimates;
  if (estimates === undefined || estimates.model === 'declared' || estimates.model === 'predicted') return undefined;
  if (estimates.model === 'exact') return (size) => size;
  if (estimates.model === 'exp') return (size, random) => Math.max(1, Math.round(-size * ln(random.positive())));
  const { sigma = 1 } = estimates;
  // Box-Muller with the sine dropped: one normal number of two uniform ones.
  return (size, random) => {
    const radius = Math.sqrt(-2 * ln(random.positive()));
    return Math.max(1, Math.round(size * exp(sigma * radius * cosineOfTurn(random.next()))));
  };
}

/** cos(2πx) for x in [0, 1) by its series on an eighth of a turn, the same on every engine. */
function cosineOfTurn(turn: number): number {
  const folded = turn > 0.5 ? 1 - turn : turn;
  const flipped = folded > 0.25 ? 0.5 - folded : folded;
  const angle = 2 * Math.PI * flipped;
  const z = angle * angle;
  const cosine = 1 - z / 2 + (z * z) / 24 - z ** 3 / 720 + z ** 4 / 40_320 - z ** 5 / 3_628_800 + z ** 6 / 479_001_600 - z ** 7 / 87_178_291_200;
  return folded > 0.25 ? -cosine : cosine;
}

function runDispatch(scenario: Scenario, source: JobSource): ScenarioResult {
  const options = { source, replicas: scenario.workers, seed: scenario.seed, ...sizesOf(scenario) };
  const size = parseLaw(scenario.classes[0]?.sizes ?? 'exp');
  let statistics: JobStatistics;
  if (scenario.dispatch === 'redundancy') statistics = simulateRedundancy({ ...options, copies: scenario.copies ?? 2, size });
  else if (scenario.dispatch === 'fork-join') statistics = simulateForkJoin({ ...options, part: size });
  else statistics = simulateDispatch({ ...options, dispatcher: makeDispatcher(scenario.dispatch ?? 'random') });
  return { metrics: metricsOfJobs(statistics), events: 2 * scenario.jobs, fallback: '', invalid: {} };
}

const PERCENTILES = [10, 25, 50, 75, 90, 95, 99, 99.9] as const;

function metricsOfJobs(statistics: JobStatistics): Record<string, Metric> {
  const plain = (value: number): Metric => ({ value, halfWidth: 0 });
  const metrics: Record<string, Metric> = {};
  const means = { response: statistics.response, wait: statistics.wait } as const;
  for (const [name, batches] of Object.entries(means)) {
    metrics[`mean_${name}`] = { value: batches.mean / UNIT, halfWidth: batches.halfWidth / UNIT };
    metrics[`var_${name}`] = plain(batches.variance / UNIT / UNIT);
    metrics[`max_${name}`] = plain(batches.most / UNIT);
  }
  for (const [name, histogram] of [
    ['response', statistics.responses],
    ['wait', statistics.waits],
  ] as const) {
    for (const percent of PERCENTILES) metrics[`p${percent}_${name}`] = plain(histogram.quantile(percent / 100) / UNIT);
  }
  metrics['mean_slowdown'] = { value: statistics.slowdown.mean, halfWidth: statistics.slowdown.halfWidth };
  metrics['max_slowdown'] = plain(statistics.slowdown.most);
  metrics['mean_bounded_slowdown'] = { value: statistics.boundedSlowdown.mean, halfWidth: statistics.boundedSlowdown.halfWidth };
  metrics['p_wait'] = plain(statistics.waited / Math.max(1, statistics.finished));
  metrics['p_wait_zero'] = plain(1 - statistics.waited / Math.max(1, statistics.finished));
  metrics['slices_per_job'] = plain(statistics.slices / Math.max(1, statistics.finished));
  metrics['jobs'] = plain(statistics.finished);
  for (const [index, ofClass] of statistics.classes.entries()) {
    metrics[`mean_response_class${index + 1}`] = { value: ofClass.response.mean / UNIT, halfWidth: ofClass.response.halfWidth / UNIT };
    metrics[`mean_wait_class${index + 1}`] = { value: ofClass.wait.mean / UNIT, halfWidth: ofClass.wait.halfWidth / UNIT };
  }
  return metrics;
}

interface Ending {
  readonly events: number;
  readonly fallback: string;
  readonly invalid: ReadonlyMap<string, number>;
}

function resultOf(scenario: Scenario, statistics: JobStatistics, meter: WindowMeter, ending: Ending): ScenarioResult {
  const metrics = metricsOfJobs(statistics);
  const length = Math.max(1, meter.length);
  const add = (name: string, value: number): void => {
    metrics[name] = { value, halfWidth: 0 };
  };
  // Switching is work that a worker does: utilisation counts it.
  add('utilisation', meter.busy / length / scenario.workers);
  add('useful_fraction', (meter.busy - meter.overhead) / length / scenario.workers);
  add('busy_fraction', meter.busy / length / scenario.workers);
  add('overhead_fraction', meter.overhead / length / scenario.workers);
  add('mean_number_in_system', meter.inSystem / length);
  add('mean_queue_length', meter.ready / length);
  add('mean_busy_period', meter.busyPeriods === 0 ? 0 : meter.occupied / meter.busyPeriods / UNIT);
  add('throughput', ((meter.arrived - meter.rejected - meter.abandoned) / length) * UNIT);
  add('p_block', meter.rejected / Math.max(1, meter.arrived));
  add('p_abandon', meter.abandoned / Math.max(1, meter.arrived));
  add('preemptions_per_job', meter.preemptions / Math.max(1, meter.arrived));
  add('makespan', length / UNIT);
  if (scenario.patience !== undefined) {
    // Those who left waited too: over all arrivals, the mean is by Little's law, and everyone who left did wait.
    add('mean_wait', meter.ready / Math.max(1, meter.arrived) / UNIT);
    add('p_wait', (statistics.waited + meter.abandoned) / Math.max(1, statistics.finished + meter.abandoned));
  }
  const arrivalRate = (meter.arrived / length) * UNIT;
  const served = Math.max(1, statistics.finished);
  const meanService = statistics.classes.reduce((sum, one) => sum + one.service, 0) / served / UNIT;
  const demand = (arrivalRate * (meanService + (statistics.slices / served) * ((scenario.switchCost ?? 0) / UNIT))) / scenario.workers;
  add('stable', demand < 1 ? 1 : 0);
  let conservation = 0;
  for (const one of statistics.classes) conservation += (one.service / length) * (one.wait.mean / UNIT);
  add('sum_rho_i*Wq_i', conservation);
  add('jain_response', jainIndex(statistics.classes.filter((one) => one.response.count > 0).map((one) => one.response.mean)));
  return { metrics, events: ending.events, fallback: ending.fallback, invalid: Object.fromEntries(ending.invalid) };
}
