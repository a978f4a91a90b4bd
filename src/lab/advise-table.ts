import { PlatformError } from '#base/errors';
import { sizeBucket } from '#policy/queue/predictors';
import type { Micros } from '#policy/queue/queue-policy';
import { pickBlocks } from './compare-table.ts';
import type { Outage, RecordedJob, Recording } from './event-log-jobs.ts';

/** A recorded workload as columns in shared memory, ready to be replayed under another policy. Sorted by arrival; microseconds. */
export interface ReplayTable {
  readonly jobs: number;
  readonly at: Float64Array;
  /** Service; a guess for jobs that never ran, see `guessed`. */
  readonly size: Float64Array;
  /** As declared; 0 when it was not. */
  readonly estimate: Float64Array;
  readonly weight: Float64Array;
  readonly priority: Float64Array;
  readonly width: Float64Array;
  /** How long after its arrival it should be done; Infinity when there is no deadline. */
  readonly due: Float64Array;
  readonly tenant: Float64Array;
  /** What predictors go by: tenant, handler and the bucket of the declared size. */
  readonly kind: Float64Array;
  /** How long it waits before it is cancelled; Infinity when it was not. */
  readonly patience: Float64Array;
  /** From arrival to end as recorded: what a closed replay takes think times from. */
  readonly stay: Float64Array;
  /** 1 for jobs whose outcome counts: those that ended. Censored and cancelled ones load the workers but measure nothing. */
  readonly isMeasured: Float64Array;
  readonly tenants: readonly string[];
  readonly outages: readonly Outage[];
  readonly workers: number;
}

/** What became of the jobs of a log, in numbers. */
export interface LogCounts {
  readonly jobs: number;
  readonly finished: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly censored: number;
  /** Jobs that never ran, whose service was guessed as the mean of their kind. */
  readonly guessed: number;
  readonly outages: number;
}

const COLUMNS = ['at', 'size', 'estimate', 'weight', 'priority', 'width', 'due', 'tenant', 'kind', 'patience', 'stay', 'isMeasured'] as const;
const FEWEST_JOBS = 50;

/** INVALID when fewer than 50 jobs ended: nothing could be concluded from them. */
export function replayTableOf(recording: Recording): { readonly table: ReplayTable; readonly counts: LogCounts } {
  const { jobs } = recording;
  const ended = jobs.filter(isMeasured).length;
  if (ended < FEWEST_JOBS) {
    throw new PlatformError('INVALID', `Cannot advise on ${ended} jobs that ended, because at least ${FEWEST_JOBS} are needed to conclude anything`, { ended });
  }
  const guess = guesserOf(jobs);
  const columns = emptyColumns(jobs.length);
  const tenants = new Map<string, number>();
  const kinds = new Map<string, number>();
  let guessed = 0;
  for (const [index, job] of jobs.entries()) {
    if (job.service === 0) guessed += 1;
    columns.at[index] = job.submitted;
    columns.size[index] = Math.max(1, job.service === 0 ? guess(job) : job.service);
    columns.estimate[index] = job.estimate;
    columns.weight[index] = job.weight;
    columns.priority[index] = job.priority;
    columns.width[index] = job.width;
    columns.due[index] = job.deadline - job.submitted;
    columns.tenant[index] = numberOf(tenants, job.tenant);
    columns.kind[index] = numberOf(kinds, kindOf(job));
    columns.patience[index] = job.ending === 'cancelled' && job.firstStart < 0 ? job.endedAt - job.submitted : Number.POSITIVE_INFINITY;
    columns.stay[index] = job.ending === 'censored' ? Number.POSITIVE_INFINITY : job.endedAt - job.submitted;
    columns.isMeasured[index] = isMeasured(job) ? 1 : 0;
  }
  const count = (ending: RecordedJob['ending']): number => jobs.filter((job) => job.ending === ending).length;
  const table = { jobs: jobs.length, ...columns, tenants: [...tenants.keys()], outages: recording.outages, workers: recording.workers };
  return {
    table,
    counts: {
      jobs: jobs.length,
      finished: count('finished'),
      failed: count('failed'),
      cancelled: count('cancelled'),
      censored: count('censored'),
      guessed,
      outages: recording.outages.length,
    },
  };
}

/** Whether a job tells how long it took: it was served to its end. */
export function isMeasured(job: RecordedJob): boolean {
  return (job.ending === 'finished' || job.ending === 'failed') && job.service > 0;
}

/** A moving-block resample. Outages stay where they are in time. */
export function resampleReplay(table: ReplayTable, seed: number): ReplayTable {
  const picked = pickBlocks(table, seed);
  const columns = emptyColumns(picked.length);
  for (const [target, [index, at]] of picked.entries()) {
    for (const column of COLUMNS) columns[column][target] = table[column][index] as number;
    columns.at[target] = at;
  }
  return { ...table, jobs: picked.length, ...columns };
}

/** Work asked for per worker between the first and the last arrival. */
export function loadOfReplay(table: ReplayTable): number {
  let work = 0;
  for (let index = 0; index < table.jobs; index += 1) work += (table.size[index] as number) * (table.width[index] as number);
  return work / Math.max(1, (table.at[table.jobs - 1] as number) - (table.at[0] as number)) / table.workers;
}

type Columns = Readonly<Record<(typeof COLUMNS)[number], Float64Array>>;

function emptyColumns(jobs: number): Columns {
  return Object.fromEntries(COLUMNS.map((column) => [column, new Float64Array(new SharedArrayBuffer(8 * jobs))])) as unknown as Columns;
}

function kindOf(job: RecordedJob): string {
  return `${job.tenant}\n${job.handler}\n${sizeBucket(job.estimate)}`;
}

function numberOf(numbers: Map<string, number>, name: string): number {
  const known = numbers.get(name);
  if (known !== undefined) return known;
  numbers.set(name, numbers.size);
  return numbers.size - 1;
}

function guesserOf(jobs: readonly RecordedJob[]): (job: RecordedJob) => Micros {
  const sums = new Map<string, { sum: number; count: number }>();
  const all = { sum: 0, count: 0 };
  for (const job of jobs) {
    if (!isMeasured(job)) continue;
    const kind = sums.get(kindOf(job)) ?? { sum: 0, count: 0 };
    sums.set(kindOf(job), kind);
    for (const one of [kind, all]) {
      one.sum += job.service;
      one.count += 1;
    }
  }
  return (job) => {
    const known = sums.get(kindOf(job)) ?? all;
    return Math.round(known.sum / Math.max(1, known.count));
  };
}
