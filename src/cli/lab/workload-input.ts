import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { PlatformError } from '#base/errors';
import type { JobTable } from '#lab/compare-table';
import { tableOfJobs } from '#lab/compare-table';
import type { TenantShare } from '#lab/compare-workload';
import { classesOfWorkload } from '#lab/compare-workload';
import type { EventLog } from '#lab/event-log';
import { parseEventLog } from '#lab/event-log';
import { recordingOf } from '#lab/event-log-jobs';
import type { CsvUnit } from '#lab/import-csv';
import { importCsv, parseColumnMap } from '#lab/import-csv';
import type { ListedJob } from '#lab/job-source';
import type { Scenario } from '#lab/scenario';
import { parseSwf } from '#lab/swf';
import type { Output } from '../output.ts';
import { warnOfBadRows } from './bad-rows.ts';
import { countOption, scenarioOfOptions, textOption } from './lab-options.ts';
import { readInput } from './read-input.ts';
import type { LabInput } from './register.ts';

type Options = LabInput['options'];

/** A workload that was asked for: everything about a run but the policy and the seed. */
export interface WorkloadInput {
  readonly name: string;
  readonly scenario: Scenario;
  readonly table?: JobTable;
}

const FILE = /\.(jsonl|ndjson|csv|swf)(\.gz)?$/i;

/** Reads the workload the options describe, and tells of rows that were left out. */
export async function readWorkload(options: Options, output: Pick<Output, 'warn'>): Promise<WorkloadInput> {
  const text = textOption(options, 'workload', '');
  if (text !== '' && (FILE.test(text) || existsSync(text))) return await traceOf(text, { options, output });
  const scenario = scenarioOfOptions(options);
  if (text === '') return { name: scenario.classes.map(({ sizes, gaps }) => `${sizes} arriving by ${gaps}`).join('; '), scenario };
  const tenants = tenantsOf(textOption(options, 'tenants', ''));
  return {
    name: text,
    scenario: { ...scenario, classes: classesOfWorkload(text, { workers: scenario.workers, ...(tenants.length === 0 ? {} : { tenants }) }) },
  };
}

async function traceOf(path: string, { options, output }: { readonly options: Options; readonly output: Pick<Output, 'warn'> }): Promise<WorkloadInput> {
  const read = readTrace(path, { text: await readInput(path), options, output });
  const most = options['jobs'] === undefined ? read.jobs.length : countOption(options, 'jobs', 1);
  const table = tableOfJobs(basename(path), read.jobs.slice(0, most));
  const workers = options['servers'] === undefined ? read.workers : countOption(options, 'servers', 1);
  const scenario = scenarioOfOptions({
    ...options,
    jobs: String(table.jobs),
    warmup: '0',
    servers: String(workers),
    estimates: textOption(options, 'estimates', 'declared'),
  });
  return { name: basename(path), scenario: { ...scenario, classes: [] }, table };
}

function readTrace(
  path: string,
  { text, options, output }: { readonly text: string; readonly options: Options; readonly output: Pick<Output, 'warn'> },
): { readonly jobs: readonly ListedJob[]; readonly workers: number } {
  if (/\.swf(\.gz)?$/i.test(path)) {
    const log = parseSwf(text, { estimates: 'user' });
    warnOfBadRows(path, { bad: log.skipped, unsorted: log.unsorted, output });
    return { jobs: log.jobs, workers: log.processors };
  }
  if (/\.csv(\.gz)?$/i.test(path)) {
    const columns = textOption(options, 'columns', '');
    const unit = unitOf(textOption(options, 'unit', 's'));
    const table = importCsv(text, { columns: columns === '' ? undefined : parseColumnMap(columns), unit });
    warnOfBadRows(path, { ...table, output });
    return { jobs: table.jobs, workers: 1 };
  }
  const log = readLog(path, { text, output });
  const recording = recordingOf(log);
  return {
    jobs: recording.jobs.filter((job) => job.service > 0).map((job) => ({ ...job, at: job.submitted, size: job.service, label: job.id })),
    workers: recording.workers,
  };
}

/** A job log, with a word on what was left out of it. */
export function readLog(path: string, { text, output }: { readonly text: string; readonly output: Pick<Output, 'warn'> }): EventLog {
  const log = parseEventLog(text);
  warnOfBadRows(path, { ...log, output });
  return log;
}

function unitOf(text: string): CsvUnit {
  if (text === 's' || text === 'ms' || text === 'us') return text;
  throw new PlatformError('INVALID', `Cannot use --unit ${text}, because it must be s, ms or us`);
}

function tenantsOf(text: string): readonly TenantShare[] {
  if (text === '') return [];
  return text.split(',').map((part) => {
    const [name = '', weight = '1'] = part.split('=');
    if (name === '' || !(Number(weight) > 0)) {
      throw new PlatformError('INVALID', `Cannot use --tenants ${text}, because "${part}" is not NAME=WEIGHT with a weight above 0`, { text });
    }
    return { name, weight: Number(weight) };
  });
}
