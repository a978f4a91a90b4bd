import { PlatformError } from '#base/errors';
import type { ListedJob } from './job-source.ts';
import { UNIT } from './job-source.ts';

/** A row that was not used, and why. */
export interface SkippedRow {
  readonly line: number;
  readonly reason: string;
}

/** A log in the Standard Workload Format, ready to be replayed; times in microseconds from the first submission. */
export interface SwfLog {
  readonly jobs: readonly ListedJob[];
  readonly processors: number;
  readonly skipped: readonly SkippedRow[];
  /** Rows whose submission is before that of the row above: they were sorted, stably. */
  readonly unsorted: number;
  /** Rows whose run time exceeds the time asked for: the job is cut off at it, as batch systems do. */
  readonly overran: number;
}

/** Fields of the format by position (Feitelson, Parallel Workloads Archive). */
const SUBMIT = 1;
const RUN = 3;
const ALLOCATED = 4;
const REQUESTED = 7;
const REQUESTED_TIME = 8;
const STATUS = 10;
const USER = 11;
const FIELDS = 18;

/**
 * Reads a log. A job needs a submission, a positive run time and a number of processors; others are skipped with their line. `exact`
 * estimates are the run times. INVALID when nothing can be used, or when the number of processors is neither stated nor given.
 */
export function parseSwf(text: string, options: { readonly estimates: 'user' | 'exact'; readonly processors?: number }): SwfLog {
  const rows: { readonly at: number; readonly line: number; readonly job: ListedJob }[] = [];
  const skipped: SkippedRow[] = [];
  let maxProcs = 0;
  let maxNodes = 0;
  let unsorted = 0;
  let overran = 0;
  let previous = Number.NEGATIVE_INFINITY;
  let line = 0;
  for (let from = 0; from < text.length; ) {
    let to = text.indexOf('\n', from);
    if (to === -1) to = text.length;
    const row = text.slice(from, to).trim();
    from = to + 1;
    line += 1;
    if (row === '') continue;
    if (row.startsWith(';')) {
      maxProcs = Math.max(maxProcs, statedIn(row, 'MaxProcs') ?? 0);
      maxNodes = Math.max(maxNodes, statedIn(row, 'MaxNodes') ?? 0);
      continue;
    }
    const cells = row.split(/\s+/);
    const problem = problemOf(cells);
    if (problem !== undefined) {
      skipped.push({ line, reason: problem });
      continue;
    }
    const number = (field: number): number => Number(cells[field]);
    const ran = number(RUN);
    const asked = number(REQUESTED_TIME) > 0 ? number(REQUESTED_TIME) : ran;
    if (asked < ran) overran += 1;
    const size = Math.min(ran, asked);
    const estimate = options.estimates === 'exact' ? size : asked;
    const width = number(REQUESTED) > 0 ? number(REQUESTED) : number(ALLOCATED);
    const at = number(SUBMIT);
    if (at < previous) unsorted += 1;
    previous = at;
    rows.push({
      at,
      line,
      job: {
        at: Math.round(at * UNIT),
        size: Math.round(size * UNIT),
        estimate: Math.round(estimate * UNIT),
        width,
        tenant: `user-${cells[USER] ?? '-1'}`,
        label: cells[0] ?? '',
      },
    });
  }
  if (rows.length === 0)
    throw new PlatformError('INVALID', `Cannot use the log, because none of its ${line} lines is a job that ran (${skipped[0]?.reason ?? 'it is empty'})`, {
      skipped: skipped.length,
    });
  // Nodes may have several processors each: they stand in only where processors are not stated.
  const processors = options.processors ?? (maxProcs > 0 ? maxProcs : maxNodes);
  if (!(processors > 0))
    throw new PlatformError('INVALID', 'Cannot use the log, because its header states neither MaxProcs nor MaxNodes: give --processors', {});
  if (unsorted > 0) rows.sort((a, b) => a.at - b.at);
  const first = rows[0]?.job.at ?? 0;
  const jobs: ListedJob[] = [];
  for (const { job, line: row } of rows) {
    if ((job.width ?? 1) > processors) skipped.push({ line: row, reason: `job ${job.label} needs ${job.width} of ${processors} processors` });
    else jobs.push({ ...job, at: job.at - first });
  }
  return { jobs, processors, skipped, unsorted, overran };
}

function statedIn(comment: string, name: 'MaxProcs' | 'MaxNodes'): number | undefined {
  const stated = new RegExp(`^;\\s*${name}:\\s*(\\d+)`, 'i').exec(comment)?.[1];
  return stated === undefined ? undefined : Number(stated);
}

function problemOf(cells: readonly string[]): string | undefined {
  if (cells.length < FIELDS) return `has ${cells.length} of ${FIELDS} fields`;
  for (const field of [SUBMIT, RUN, ALLOCATED, REQUESTED, REQUESTED_TIME])
    if (!Number.isFinite(Number(cells[field]))) return `field ${field + 1} is "${cells[field]}", not a number`;
  // A job that was checkpointed has a line for the whole of it and one for each part; only the whole is a job.
  if (['2', '3', '4'].includes(cells[STATUS] ?? '')) return `is a part of an execution (status ${cells[STATUS]})`;
  if (Number(cells[SUBMIT]) < 0) return `was submitted at ${cells[SUBMIT]}`;
  if (Number(cells[RUN]) <= 0) return `ran for ${cells[RUN]} s`;
  if (Number(cells[ALLOCATED]) <= 0 && Number(cells[REQUESTED]) <= 0) return 'has no number of processors';
  return undefined;
}
