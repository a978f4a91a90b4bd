import { messageOf, PlatformError } from '#base/errors';
import type { Micros } from '#policy/queue/queue-policy';

/** What a line of a job log says happened. A trace is a log that holds only arrivals with sizes. */
export const LOG_EVENTS = ['arrive', 'start', 'pause', 'resume', 'finish', 'fail', 'leave', 'estimate', 'worker-up', 'worker-down'] as const;

export type LogEventKind = (typeof LOG_EVENTS)[number];

/** One line of a job log: JSON with whole microseconds. Jobs have `job`; `worker-up` and `worker-down` have `worker` only. */
export interface LogEvent {
  readonly at: Micros;
  readonly event: LogEventKind;
  readonly job?: string;
  readonly worker?: number;
  /** Of an arrival. */
  readonly tenant?: string;
  readonly handler?: string;
  readonly weight?: number;
  readonly priority?: number;
  readonly width?: number;
  readonly deadline?: Micros;
  /** Service the job needs, in a trace; a log tells it by starts and finishes. */
  readonly size?: Micros;
  /** Of an arrival or an `estimate`: predicted service. */
  readonly estimate?: Micros;
  /** Of a failure: `worker-lost` does not count as work done, anything else does. */
  readonly cause?: string;
}

/** The first line of a log, if it has one. */
export interface LogHeader {
  readonly log: 'haven-jobs';
  readonly version: 1;
  readonly workers?: number;
  /** The policy under which it was recorded. */
  readonly policy?: string;
  readonly switchCost?: Micros;
}

/** A row that was not used, and why. */
export interface BadRow {
  readonly line: number;
  readonly reason: string;
}

/** A log in order of time; equal times keep the order of the lines. */
export interface EventLog {
  readonly header: LogHeader;
  readonly events: readonly LogEvent[];
  readonly bad: readonly BadRow[];
  /** Lines that were earlier than the one before them. */
  readonly unsorted: number;
}

const DEFAULT_HEADER: LogHeader = { log: 'haven-jobs', version: 1 };
const KINDS: ReadonlySet<string> = new Set(LOG_EVENTS);
const NUMBERS = ['worker', 'weight', 'priority', 'width', 'deadline', 'size', 'estimate'] as const;
const TEXTS = ['tenant', 'handler', 'cause'] as const;
const MOST_EVENTS = 50_000_000;

/** Reads a log. Lines that make no sense are left out and listed. INVALID when nothing is left, TOO_LARGE above 50 million lines. */
export function parseEventLog(text: string): EventLog {
  const events: LogEvent[] = [];
  const bad: BadRow[] = [];
  let header = DEFAULT_HEADER;
  let unsorted = 0;
  let line = 0;
  let previous = Number.NEGATIVE_INFINITY;
  for (const row of rowsOf(text)) {
    line += 1;
    if (row === '') continue;
    const parsed = parseRow(row);
    if (typeof parsed === 'string') bad.push({ line, reason: parsed });
    else if ('log' in parsed) header = parsed;
    else {
      if (parsed.at < previous) unsorted += 1;
      previous = parsed.at;
      events.push(parsed);
      if (events.length > MOST_EVENTS) throw new PlatformError('TOO_LARGE', `Cannot read the log, because it has more than ${MOST_EVENTS} events`);
    }
  }
  if (events.length === 0) {
    throw new PlatformError('INVALID', `Cannot use the log, because none of its ${line} lines is an event (${bad[0]?.reason ?? 'it is empty'})`, { line });
  }
  if (unsorted > 0) events.sort((a, b) => a.at - b.at);
  return { header, events, bad, unsorted };
}

/** One event as the line of a log that `parseEventLog` reads back. */
export function printLogLine(line: LogEvent | LogHeader): string {
  return JSON.stringify(line);
}

/** The lines of a text without splitting it at once. */
export function* rowsOf(text: string): Iterable<string> {
  for (let from = 0; from < text.length; ) {
    let to = text.indexOf('\n', from);
    if (to === -1) to = text.length;
    yield text.slice(from, text[to - 1] === '\r' ? to - 1 : to);
    from = to + 1;
  }
}

function parseRow(row: string): LogEvent | LogHeader | string {
  let value: unknown;
  try {
    value = JSON.parse(row);
  } catch (error) {
    return `is not JSON: ${messageOf(error)}`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'is not an object';
  const fields = value as Readonly<Record<string, unknown>>;
  if (fields['log'] !== undefined) return headerOf(fields);
  return problemOf(fields) ?? (value as LogEvent);
}

function headerOf(fields: Readonly<Record<string, unknown>>): LogHeader | string {
  if (fields['log'] !== 'haven-jobs' || fields['version'] !== 1)
    return `is a header of "${String(fields['log'])}" version ${String(fields['version'])}, not haven-jobs 1`;
  const { workers, policy, switchCost } = fields;
  if (workers !== undefined && !(isCount(workers) && workers > 0)) return `states ${String(workers)} workers`;
  if (policy !== undefined && typeof policy !== 'string') return 'states a policy that is not text';
  if (switchCost !== undefined && !isCount(switchCost)) return `states a switch cost of ${String(switchCost)}`;
  return {
    ...DEFAULT_HEADER,
    ...(workers === undefined ? {} : { workers }),
    ...(policy === undefined ? {} : { policy }),
    ...(switchCost === undefined ? {} : { switchCost }),
  };
}

function problemOf(fields: Readonly<Record<string, unknown>>): string | undefined {
  const { at, event, job } = fields;
  if (!isCount(at)) return `"at" is ${JSON.stringify(at)}, not whole microseconds of at least 0`;
  if (typeof event !== 'string' || !KINDS.has(event)) return `"event" is ${JSON.stringify(event)}, not one of ${LOG_EVENTS.join(', ')}`;
  const isOfWorker = event === 'worker-up' || event === 'worker-down';
  if (isOfWorker && !isCount(fields['worker'])) return `"worker" is ${JSON.stringify(fields['worker'])}, not a number of a worker`;
  if (!isOfWorker && (typeof job !== 'string' || job === '')) return `"job" is ${JSON.stringify(job)}, not a name`;
  for (const name of NUMBERS) {
    const value = fields[name];
    if (value === undefined) continue;
    const isGood =
      name === 'weight' ? typeof value === 'number' && Number.isFinite(value) && value > 0 : name === 'priority' ? Number.isFinite(value) : isCount(value);
    if (!isGood) return `"${name}" is ${JSON.stringify(value)}`;
  }
  for (const name of TEXTS) if (fields[name] !== undefined && typeof fields[name] !== 'string') return `"${name}" is ${JSON.stringify(fields[name])}, not text`;
  return undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
