import { PlatformError } from '#base/errors';
import type { Micros } from '#policy/queue/queue-policy';
import { splitCsvLine } from './csv.ts';
import type { BadRow } from './event-log.ts';
import { rowsOf } from './event-log.ts';
import type { ListedJob } from './job-source.ts';

/** Which column holds what. `at` and `size` must be there, unless the size follows from tokens. */
export interface ColumnMap {
  readonly at: string;
  readonly size?: string;
  readonly estimate?: string;
  readonly tenant?: string;
  readonly priority?: string;
  readonly weight?: string;
  readonly width?: string;
  /** A moment, as `at` is. */
  readonly deadline?: string;
  /** What predictors go by besides the tenant. */
  readonly handler?: string;
  /** Columns of numbers that make up the size, each times so many seconds: tokens of a request to a language model. */
  readonly sizeParts?: Readonly<Record<string, number>>;
}

export interface CsvImport {
  readonly jobs: readonly ListedJob[];
  readonly bad: readonly BadRow[];
  readonly unsorted: number;
  readonly columns: ColumnMap;
}

const UNIT_MICROS = { s: 1e6, ms: 1e3, us: 1 } as const;

export type CsvUnit = keyof typeof UNIT_MICROS;

/** Service of a language model per token of context and of output, as in published studies of the Azure traces. */
export const AZURE_SECONDS_PER_TOKEN = { ContextTokens: 0.000_2, GeneratedTokens: 0.02 } as const;

/** Files whose columns are known. */
const KNOWN: readonly { readonly name: string; readonly needs: readonly string[]; readonly columns: ColumnMap }[] = [
  {
    name: 'Azure LLM inference',
    needs: ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'],
    columns: { at: 'TIMESTAMP', sizeParts: AZURE_SECONDS_PER_TOKEN },
  },
  {
    name: 'Gavel jobs',
    needs: ['arrival_s', 'duration_s_on_v100'],
    columns: { at: 'arrival_s', size: 'duration_s_on_v100', tenant: 'vc', width: 'num_gpus' },
  },
  { name: 'image generation requests', needs: ['gmt_create', 'exec_time_seconds'], columns: { at: 'gmt_create', size: 'exec_time_seconds' } },
  { name: 'plain', needs: ['at', 'size'], columns: { at: 'at', size: 'size', estimate: 'estimate', tenant: 'tenant', width: 'width' } },
];
const FIELDS = ['at', 'size', 'estimate', 'tenant', 'priority', 'weight', 'width', 'deadline', 'handler'] as const;
/** Columns of known files that may be absent. What the user names must be there. */
const OPTIONAL_COLUMNS: ReadonlySet<string> = new Set(['estimate', 'tenant', 'width', 'priority', 'weight', 'deadline', 'handler']);

/** Reads `at=arrival_s,size=duration_s,tenant=user`. INVALID names what is not a field. */
export function parseColumnMap(text: string): ColumnMap {
  const map: Record<string, string> = {};
  for (const part of text.split(',')) {
    const [field, column] = part.split('=');
    if (field === undefined || column === undefined || column === '' || !FIELDS.some((known) => known === field)) {
      throw new PlatformError('INVALID', `Cannot use --columns ${text}, because "${part}" is not field=column with a field of ${FIELDS.join(', ')}`, { text });
    }
    map[field] = column;
  }
  const { at } = map;
  if (at === undefined || map['size'] === undefined)
    throw new PlatformError('INVALID', `Cannot use --columns ${text}, because at=… and size=… are needed`, { text });
  return { ...map, at };
}

/**
 * Reads jobs from a table. Times are numbers in `unit`, or dates such as 2023-11-16 18:15:46.68; they are counted from the earliest. Rows that
 * make no sense are left out and listed. INVALID names a missing column, or says that nothing is left.
 */
export function importCsv(text: string, options: { readonly columns?: ColumnMap | undefined; readonly unit?: CsvUnit | undefined } = {}): CsvImport {
  const rows = rowsOf(text)[Symbol.iterator]();
  const first = rows.next();
  const header = splitCsvLine(first.done === true ? '' : first.value).map((name) => name.replace(/^\uFEFF/, '').trim());
  const columns = options.columns ?? knownColumns(header);
  const places = placesOf(header, columns, options.columns === undefined ? OPTIONAL_COLUMNS : new Set());
  const unit = UNIT_MICROS[options.unit ?? 's'];
  const jobs: ListedJob[] = [];
  const bad: BadRow[] = [];
  let unsorted = 0;
  let previous = Number.NEGATIVE_INFINITY;
  let earliest = Number.POSITIVE_INFINITY;
  let line = 1;
  for (let next = rows.next(); next.done !== true; next = rows.next()) {
    line += 1;
    if (next.value === '') continue;
    const job = jobOf(splitCsvLine(next.value), { places, columns, unit });
    if (typeof job === 'string') {
      bad.push({ line, reason: job });
      continue;
    }
    if (job.at < previous) unsorted += 1;
    previous = job.at;
    earliest = Math.min(earliest, job.at);
    jobs.push(job);
  }
  if (jobs.length === 0)
    throw new PlatformError('INVALID', `Cannot use the table, because none of its ${line} lines is a job (${bad[0]?.reason ?? 'it is empty'})`);
  const shifted = jobs.map((job) => ({ ...job, at: job.at - earliest, ...(job.deadline === undefined ? {} : { deadline: job.deadline - earliest }) }));
  if (unsorted > 0) shifted.sort((a, b) => a.at - b.at);
  return { jobs: shifted, bad, unsorted, columns };
}

function knownColumns(header: readonly string[]): ColumnMap {
  const known = KNOWN.find((one) => one.needs.every((column) => header.includes(column)));
  if (known !== undefined) return known.columns;
  throw new PlatformError('INVALID', `Cannot tell which columns hold the jobs among ${header.join(', ')}: give --columns at=COLUMN,size=COLUMN`, { header });
}

type Places = ReadonlyMap<string, number>;

function placesOf(header: readonly string[], columns: ColumnMap, optional: ReadonlySet<string>): Places {
  const places = new Map<string, number>();
  const wanted: [string, string][] = FIELDS.flatMap((field) => (columns[field] === undefined ? [] : [[field, columns[field]]]));
  for (const part of Object.keys(columns.sizeParts ?? {})) wanted.push([part, part]);
  for (const [field, column] of wanted) {
    const place = header.indexOf(column);
    if (place !== -1) places.set(field, place);
    else if (!optional.has(field)) {
      throw new PlatformError('INVALID', `Cannot read the table, because it has no column "${column}"; it has ${header.join(', ')}`, { column });
    }
  }
  return places;
}

interface RowOptions {
  readonly places: Places;
  readonly columns: ColumnMap;
  readonly unit: number;
}

function jobOf(cells: readonly string[], options: RowOptions): ListedJob | string {
  const cell = (field: string): string | undefined => {
    const place = options.places.get(field);
    return place === undefined ? undefined : cells[place]?.trim();
  };
  const at = momentOf(cell('at') ?? '', options.unit);
  if (at === undefined) return `time "${cell('at') ?? ''}" is neither a number of at least 0 nor a date`;
  const size = sizeOf(cell, options);
  if (typeof size === 'string') return size;
  const numbers: { estimate?: number; priority?: number; weight?: number; width?: number } = {};
  for (const field of ['estimate', 'priority', 'weight', 'width'] as const) {
    const text = cell(field);
    if (text === undefined || text === '') continue;
    const value = Number(text) * (field === 'estimate' ? options.unit : 1);
    if (!Number.isFinite(value) || (field !== 'priority' && value < 0)) return `${field} "${text}" is not a number of at least 0`;
    if (field === 'weight' && value === 0) return 'weight is 0';
    if (field === 'width' && !(Number.isInteger(value) && value >= 1)) return `width "${text}" is not a whole number of at least 1`;
    numbers[field] = field === 'estimate' ? Math.round(value) : value;
  }
  const due = cell('deadline') ?? '';
  const deadline = due === '' ? undefined : momentOf(due, options.unit);
  if (due !== '' && deadline === undefined) return `deadline "${due}" is neither a number of at least 0 nor a date`;
  const [tenant = '', handler = ''] = [cell('tenant'), cell('handler')];
  return {
    at,
    size,
    ...numbers,
    ...(tenant === '' ? {} : { tenant }),
    ...(handler === '' ? {} : { handler }),
    ...(deadline === undefined ? {} : { deadline }),
  };
}

function sizeOf(cell: (field: string) => string | undefined, { columns, unit }: RowOptions): Micros | string {
  if (columns.sizeParts === undefined) {
    const text = cell('size') ?? '';
    const size = text === '' ? Number.NaN : Number(text) * unit;
    return Number.isFinite(size) && size > 0 && size <= Number.MAX_SAFE_INTEGER ? Math.max(1, Math.round(size)) : `size "${text}" is not a number above 0`;
  }
  let seconds = 0;
  for (const [column, weight] of Object.entries(columns.sizeParts)) {
    const text = cell(column) ?? '';
    const tokens = text === '' ? Number.NaN : Number(text);
    if (!(tokens >= 0)) return `${column} "${text}" is not a number of at least 0`;
    seconds += tokens * weight;
  }
  return Math.max(1, Math.round(seconds * 1e6));
}

const DATE = /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(\.\d+)?Z?$/;

function momentOf(text: string, unit: number): Micros | undefined {
  if (text === '') return undefined;
  const number = Number(text);
  if (Number.isFinite(number)) return number >= 0 ? Math.round(number * unit) : undefined;
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  const milliseconds = Date.UTC(year, month - 1, day, hour, minute, second);
  return Number.isFinite(milliseconds) ? milliseconds * 1_000 + Math.round(Number(match[7] ?? '0') * 1e6) : undefined;
}
