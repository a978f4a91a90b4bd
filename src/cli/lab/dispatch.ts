import { PlatformError } from '#base/errors';
import { readCsv } from '#lab/csv';
import { DEFAULT_TOKEN_COST, dispatchTrace, parseLlmTrace } from '#lab/llm-trace';
import { createOutput, table } from '../output.ts';
import { badRowsRecord, warnOfBadRows } from './bad-rows.ts';
import { splitPolicies } from './gantt.ts';
import { countOption, textOption } from './lab-options.ts';
import { readInput } from './read-input.ts';
import type { LabInput } from './register.ts';

const ALL = 'round-robin,random,p2c,least-connections,least-work-left,central-fifo,central-sjf';

/** `haven lab dispatch TRACE.csv --replicas 28`. */
export async function run({ args, options }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const path = args[0] ?? '';
  const replicas = countOption(options, 'replicas', 28);
  const cost = { context: tokenCost(options['contextMs'], DEFAULT_TOKEN_COST.context), output: tokenCost(options['outputMs'], DEFAULT_TOKEN_COST.output) };
  const trace = parseLlmTrace(readCsv(await readInput(path)), cost);
  warnOfBadRows(path, { bad: trace.skipped, unsorted: trace.unsorted, output });
  const seed = countOption(options, 'seed', 1, 0);
  const results = splitPolicies(textOption(options, 'policy', ALL)).map((policy) => dispatchTrace(trace.requests, { policy, replicas, seed }));
  const load = results[0]?.load ?? 0;
  if (load >= 1) output.warn(`the load is ${load.toFixed(2)} per replica: requests pile up for as long as the trace lasts`);
  if (output.json) {
    const facts = { unsorted: trace.unsorted, ...badRowsRecord(trace.skipped) };
    output.record(results.length === 1 ? { ...results[0], ...facts } : { results, ...facts });
    return 0;
  }
  const rows = results.map((one) => [
    one.policy,
    ...[one.mean_response, one.p50_response, one.p99_response, one.max_response, one.mean_wait, one.mean_slowdown, one.max_slowdown].map((value) =>
      value.toFixed(2),
    ),
  ]);
  output.data(table(['policy', '>mean s', '>p50 s', '>p99 s', '>max s', '>mean wait s', '>mean slowdown', '>max slowdown'], rows));
  output.data(`${trace.requests.length} requests on ${replicas} replicas, load ${load.toFixed(3)} each`);
  return 0;
}

function tokenCost(text: string | boolean | undefined, fallback: number): number {
  if (typeof text !== 'string') return fallback;
  const value = Number(text);
  if (!(value >= 0 && Number.isFinite(value)) || text === '')
    throw new PlatformError('INVALID', `Cannot use a cost of "${text}" ms per token, because it must be a number of at least 0`, { text });
  return value * 1_000;
}
