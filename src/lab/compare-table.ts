import { PlatformError } from '#base/errors';
import { sizeBucket } from '#policy/queue/predictors';
import type { Micros } from '#policy/queue/queue-policy';
import type { Estimator, JobRecord, JobSource, ListedJob } from './job-source.ts';
import { RandomStream } from './random-stream.ts';

/** Jobs of a trace as columns in shared memory, so that threads read one copy. Sorted by arrival; times in microseconds. */
export interface JobTable {
  readonly name: string;
  readonly jobs: number;
  readonly at: Float64Array;
  readonly size: Float64Array;
  /** 0 when nothing was known. */
  readonly estimate: Float64Array;
  readonly weight: Float64Array;
  readonly priority: Float64Array;
  readonly width: Float64Array;
  /** How long after its arrival it should be done; Infinity when there is no deadline. */
  readonly due: Float64Array;
  /** What predictors go by: a number for each tenant, handler and bucket of the declared size. */
  readonly group: Float64Array;
  /** Index into `tenants`. */
  readonly tenant: Float64Array;
  readonly tenants: readonly string[];
}

const COLUMNS = ['at', 'size', 'estimate', 'weight', 'priority', 'width', 'due', 'group', 'tenant'] as const;

/** Puts jobs into a table, sorted by arrival; equal arrivals keep their order. INVALID when there are none. */
export function tableOfJobs(name: string, jobs: readonly ListedJob[]): JobTable {
  if (jobs.length === 0) throw new PlatformError('INVALID', `Cannot use workload "${name}", because it has no jobs`, { name });
  const sorted = jobs.some((job, index) => index > 0 && job.at < (jobs[index - 1] as ListedJob).at) ? [...jobs].sort((a, b) => a.at - b.at) : jobs;
  const tenants = new Map<string, number>();
  const groups = new Map<string, number>();
  const table = emptyTable(name, jobs.length, []);
  for (const [index, job] of sorted.entries()) {
    const tenant = job.tenant ?? 'all';
    if (!tenants.has(tenant)) tenants.set(tenant, tenants.size);
    table.at[index] = job.at;
    table.size[index] = Math.max(1, job.size);
    table.estimate[index] = job.estimate ?? job.size;
    table.weight[index] = job.weight ?? 1;
    table.priority[index] = job.priority ?? 0;
    table.width[index] = job.width ?? 1;
    const group = `${tenant}\n${job.handler ?? ''}\n${sizeBucket(job.estimate ?? 0)}`;
    if (!groups.has(group)) groups.set(group, groups.size);
    table.group[index] = groups.get(group) ?? 0;
    table.due[index] = (job.deadline ?? Number.POSITIVE_INFINITY) - job.at;
    table.tenant[index] = tenants.get(tenant) ?? 0;
  }
  return { ...table, tenants: [...tenants.keys()] };
}

function emptyTable(name: string, jobs: number, tenants: readonly string[]): JobTable {
  const column = (): Float64Array => new Float64Array(new SharedArrayBuffer(8 * jobs));
  return {
    name,
    jobs,
    at: column(),
    size: column(),
    estimate: column(),
    weight: column(),
    priority: column(),
    width: column(),
    due: column(),
    group: column(),
    tenant: column(),
    tenants,
  };
}

/** Time from the first to the last arrival. */
export function spanOf(table: JobTable): Micros {
  return (table.at[table.jobs - 1] as number) - (table.at[0] as number);
}

/** Work asked for per worker and unit of time between the first and the last arrival; 1 or more means that work piles up. */
export function loadOfTable(table: JobTable, workers: number): number {
  let work = 0;
  for (let index = 0; index < table.jobs; index += 1) work += (table.size[index] as number) * (table.width[index] as number);
  return work / Math.max(1, spanOf(table)) / workers;
}

/** Serves the jobs of a table in order of arrival. */
export class TableSource implements JobSource {
  readonly #table: JobTable;
  readonly #estimate: Estimator | undefined;
  readonly #luck: RandomStream;
  #index = 0;
  nextAt: Micros;

  constructor(table: JobTable, options: { readonly seed: number; readonly estimate?: Estimator | undefined }) {
    this.#table = table;
    this.#estimate = options.estimate;
    this.#luck = new RandomStream(options.seed, 'estimates');
    this.nextAt = table.at[0] ?? Number.POSITIVE_INFINITY;
  }

  take(record: JobRecord): void {
    const table = this.#table;
    const index = this.#index;
    this.#index += 1;
    const size = table.size[index] as number;
    record.at = this.nextAt;
    record.size = size;
    record.estimate = this.#estimate === undefined ? (table.estimate[index] as number) : this.#estimate(size, this.#luck);
    record.weight = table.weight[index] as number;
    record.priority = table.priority[index] as number;
    record.width = table.width[index] as number;
    record.group = table.group[index] as number;
    record.deadline = record.at + (table.due[index] as number);
    record.kind = table.tenant[index] as number;
    record.tenant = table.tenants[record.kind] ?? 'all';
    this.nextAt = this.#index < table.jobs ? (table.at[this.#index] as number) : Number.POSITIVE_INFINITY;
  }
}

/** Blocks of a resample: long enough to keep bursts whole, many enough to vary. */
const BLOCKS = 25;

/** Places of a resample: which job comes, and when. */
export type Picks = readonly (readonly [index: number, at: Micros])[];

/**
 * A moving-block bootstrap of arrivals (Künsch 1989): stretches of equal length, each begun at a random moment and kept as they were, are
 * joined until the trace is as long as before. Bursts and the order within a stretch survive; the number of jobs varies a little.
 */
export function pickBlocks(table: Pick<JobTable, 'at' | 'jobs'>, seed: number): Picks {
  const first = table.at[0] as number;
  const span = (table.at[table.jobs - 1] as number) - first;
  const luck = new RandomStream(seed, 'blocks');
  const length = Math.max(1, Math.ceil(span / BLOCKS));
  const picked: (readonly [index: number, at: Micros])[] = [];
  for (let block = 0; block < BLOCKS; block += 1) {
    const from = Math.floor(luck.next() * span);
    const starts = first + from;
    for (let index = indexAt(table, starts); index < table.jobs && (table.at[index] as number) < starts + length; index += 1) {
      picked.push([index, block * length + (table.at[index] as number) - starts]);
    }
    // A stretch may run over the end and goes on at the beginning, so that every moment is as likely.
    const wrapped = from + length - span;
    for (let index = 0; wrapped > 0 && index < table.jobs && (table.at[index] as number) < first + wrapped; index += 1) {
      picked.push([index, block * length + (table.at[index] as number) - first + span - from]);
    }
  }
  return picked;
}

/** A resample of a trace, of about as many jobs; the trace itself if no job was hit. */
export function resampleTable(table: JobTable, seed: number): JobTable {
  const picked = pickBlocks(table, seed);
  if (picked.length === 0) return table;
  const resampled = emptyTable(table.name, picked.length, table.tenants);
  for (const [target, [index, at]] of picked.entries()) {
    for (const column of COLUMNS) resampled[column][target] = table[column][index] as number;
    resampled.at[target] = at;
  }
  return resampled;
}

/** The first job that arrives at `moment` or later. */
function indexAt(table: Pick<JobTable, 'at' | 'jobs'>, moment: Micros): number {
  let low = 0;
  let high = table.jobs;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((table.at[middle] as number) < moment) low = middle + 1;
    else high = middle;
  }
  return low;
}
