import { PlatformError } from '#base/errors';
import { makeQueuePolicy } from '#policy/queue/policies';
import type { CsvRow } from './csv.ts';
import { simulateDispatch } from './dispatch-simulator.ts';
import { makeDispatcher } from './dispatchers.ts';
import type { ListedJob } from './job-source.ts';
import { ListSource, UNIT } from './job-source.ts';
import type { JobStatistics } from './job-statistics.ts';
import { JobSimulation } from './simulator.ts';
import type { SkippedRow } from './swf.ts';

/** What a token costs, in microseconds. */
export interface TokenCost {
  readonly context: number;
  readonly output: number;
}

export const DEFAULT_TOKEN_COST: TokenCost = { context: 200, output: 20_000 };

export interface LlmTrace {
  readonly requests: readonly ListedJob[];
  readonly skipped: readonly SkippedRow[];
  /** Rows that arrived before the row above: they were sorted. */
  readonly unsorted: number;
}

/** Reads an Azure LLM inference trace: TIMESTAMP, ContextTokens, GeneratedTokens. INVALID when a column is missing or no row is usable. */
export function parseLlmTrace(rows: readonly CsvRow[], cost: TokenCost = DEFAULT_TOKEN_COST): LlmTrace {
  const requests: ListedJob[] = [];
  const skipped: SkippedRow[] = [];
  let unsorted = 0;
  let previous = Number.NEGATIVE_INFINITY;
  for (const { line, cells } of rows) {
    const { TIMESTAMP: timestamp, ContextTokens: context, GeneratedTokens: output } = cells;
    if (timestamp === undefined || context === undefined || output === undefined) {
      if (requests.length === 0 && skipped.length === 0)
        throw new PlatformError('INVALID', `Cannot read line ${line}, because a column TIMESTAMP, ContextTokens or GeneratedTokens is missing`, { line });
      skipped.push({ line, reason: 'has too few columns' });
      continue;
    }
    const at = momentOf(timestamp);
    const tokens = [Number(context), Number(output)];
    if (at === undefined) skipped.push({ line, reason: `TIMESTAMP is "${timestamp}"` });
    else if (context === '' || output === '' || tokens.some((count) => !Number.isInteger(count) || count < 0))
      skipped.push({ line, reason: `tokens are "${context}" and "${output}"` });
    else {
      if (at < previous) unsorted += 1;
      previous = at;
      requests.push({ at, size: Math.max(1, Math.round((tokens[0] as number) * cost.context + (tokens[1] as number) * cost.output)) });
    }
  }
  if (requests.length === 0)
    throw new PlatformError('INVALID', `Cannot use the trace, because none of its ${rows.length} rows is a request (${skipped[0]?.reason ?? 'it is empty'})`);
  if (unsorted > 0) requests.sort((a, b) => a.at - b.at);
  const first = requests[0]?.at ?? 0;
  return { requests: requests.map((request) => ({ ...request, at: request.at - first })), skipped, unsorted };
}

/** `2023-11-16 18:17:03.9799600`, UTC, in microseconds since 1970; undefined for anything else. */
function momentOf(text: string): number | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(\.\d+)?/.exec(text);
  if (!match) return undefined;
  const seconds = Date.parse(`${match[1]}T${match[2]}Z`);
  return Number.isNaN(seconds) ? undefined : seconds * 1_000 + Math.round(Number(match[3] ?? 0) * UNIT);
}

/** What requests saw under one policy; times in seconds. */
export interface DispatchResult {
  readonly policy: string;
  readonly requests: number;
  readonly replicas: number;
  readonly load: number;
  readonly mean_response: number;
  readonly p50_response: number;
  readonly p95_response: number;
  readonly p99_response: number;
  readonly max_response: number;
  readonly mean_wait: number;
  readonly p99_wait: number;
  readonly mean_slowdown: number;
  readonly max_slowdown: number;
}

/** Serves the requests on replicas: bound on arrival by a dispatcher, or from one queue by `central-POLICY` such as `central-sjf`. */
export function dispatchTrace(
  requests: readonly ListedJob[],
  options: { readonly policy: string; readonly replicas: number; readonly seed: number },
): DispatchResult {
  const { policy, replicas, seed } = options;
  const jobs = requests.length;
  let statistics: JobStatistics;
  if (policy.startsWith('central-')) {
    const central = makeQueuePolicy(policy.slice('central-'.length));
    statistics = new JobSimulation({ policy: central, source: new ListSource(requests), workers: replicas, jobs, seed, window: 'all' }).simulate().statistics;
  } else statistics = simulateDispatch({ source: new ListSource(requests), dispatcher: makeDispatcher(policy), replicas, jobs, seed });
  const span = (requests.at(-1)?.at ?? 0) - (requests[0]?.at ?? 0);
  const work = requests.reduce((sum, request) => sum + request.size, 0);
  const at = (fraction: number): number => statistics.responses.quantile(fraction) / UNIT;
  return {
    policy,
    requests: jobs,
    replicas,
    load: span === 0 ? 0 : work / span / replicas,
    mean_response: statistics.response.mean / UNIT,
    p50_response: at(0.5),
    p95_response: at(0.95),
    p99_response: at(0.99),
    max_response: statistics.response.most / UNIT,
    mean_wait: statistics.wait.mean / UNIT,
    p99_wait: statistics.waits.quantile(0.99) / UNIT,
    mean_slowdown: statistics.slowdown.mean,
    max_slowdown: statistics.slowdown.most,
  };
}
