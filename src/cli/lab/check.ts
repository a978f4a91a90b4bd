import { settledOrAborted } from '#base/signal';
import { readCsv } from '#lab/csv';
import type { ReferenceGroup, ReferenceVerdict } from '#lab/reference-check';
import { groupReferenceRows, judge, referenceRows } from '#lab/reference-check';
import type { ReferenceFamily } from '#lab/reference-summary';
import { combineSeeds, familiesOf, familyOf } from '#lab/reference-summary';
import type { Metric, ScenarioResult } from '#lab/scenario';
import { EXIT } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { createOutput, formatTook, paint, table } from '../output.ts';
import { countOption, textOption } from './lab-options.ts';
import { Progress } from './progress.ts';
import { readInput } from './read-input.ts';
import type { LabInput } from './register.ts';
import { ScenarioPool } from './scenario-pool.ts';

/** Further seeds are not run once every interval of a queue is narrower than this part of its value. */
const NARROW = 0.003;
const FEWEST_SEEDS = 2;
/** Variances have no interval from one run, and two or three runs may agree by luck. */
const FEWEST_SEEDS_OF_VARIANCE = 5;
/** Without --seeds, a queue whose intervals, three times over, are still wider than this part of their values gets more seeds … */
const WIDE = 0.05;
/** … up to so many: rare losses, heavy tails and loads near 1. Of runs that are longer than usual there are fewer, but for the least that say how far they differ. */
const MOST_SEEDS = 64;
const LEAST_MOST_SEEDS = 4;
const DEFAULT_SEEDS = 5;

interface Effort {
  /** Of a run that is not longer than usual. */
  readonly jobs: number;
  readonly seeds: number;
  /** Exactly so many at most, because the user said so. */
  readonly isStated: boolean;
}

/** `haven lab check FILE.csv`. Exit code 1 when a family fails: a mean off by more than 5 %, more than 3 % of them outside their tolerance, or anything unsupported. */
export async function run({ args, options, signal }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const jobs = countOption(options, 'jobs', 1_000_000);
  const seeds = countOption(options, 'seeds', DEFAULT_SEEDS);
  const family = textOption(options, 'family', '');
  const rows = referenceRows(readCsv(await readInput(args[0] ?? ''))).filter((row) => row.policy.includes(family));
  const groups = groupReferenceRows(rows, { jobs, seed: 1 });
  const effort = { jobs, seeds, isStated: options['seeds'] !== undefined };
  const startedAt = performance.now();
  const verdicts = [...(await judgeGroups(groups, { effort, output, signal }))].sort((a, b) => a.row.line - b.row.line);
  const families = familiesOf(verdicts);
  const total = familyOf('all', verdicts);
  if (output.json) output.record({ rows: verdicts.map(flat), families, total, interrupted: signal.aborted });
  else {
    for (const one of verdicts) output.data(lineOf(one));
    output.data('');
    output.data(familyTable(families));
    output.data(totalWords(total, verdicts));
    output.progress(`${groups.length} queues took ${formatTook(performance.now() - startedAt)}`);
  }
  if (signal.aborted) {
    output.warn(`interrupted: ${verdicts.length} of ${rows.length} rows were checked`);
    return EXIT.interrupted;
  }
  return families.every((one) => one.isGood) ? EXIT.ok : EXIT.failed;
}

/** Simulates group after group, one in each thread. When `signal` aborts, the groups that were done are returned at once. */
async function judgeGroups(
  groups: readonly ReferenceGroup[],
  { effort, output, signal }: { readonly effort: Effort; readonly output: Output; readonly signal: AbortSignal },
): Promise<readonly ReferenceVerdict[]> {
  const verdicts: ReferenceVerdict[] = [];
  const progress = new Progress(output, { label: 'check', total: groups.length, units: 'queues' });
  let next = 0;
  await using pool = new ScenarioPool();
  const lane = async (): Promise<void> => {
    for (let group = groups[next]; group !== undefined && !signal.aborted; group = groups[next]) {
      next += 1;
      const measured = await measure(group, { effort, pool });
      for (const row of group.rows) verdicts.push({ ...judge(row, measured?.[row.metric]), ...(group.problem === '' ? {} : { note: group.problem }) });
      progress.step();
    }
  };
  await settledOrAborted(Promise.all(Array.from({ length: pool.threads }, lane)), signal);
  return [...verdicts];
}

/** Runs seeds one after the other until the intervals are narrow. Undefined when the group cannot be simulated. */
async function measure(
  group: ReferenceGroup,
  { effort, pool }: { readonly effort: Effort; readonly pool: ScenarioPool },
): Promise<Readonly<Record<string, Metric>> | undefined> {
  if (group.scenario === undefined) return undefined;
  const results: ScenarioResult[] = [];
  const mostSeeds = effort.isStated ? effort.seeds : Math.max(LEAST_MOST_SEEDS, Math.ceil((MOST_SEEDS * effort.jobs) / group.scenario.jobs));
  const fewest = group.rows.some((row) => row.metric.startsWith('var_')) ? FEWEST_SEEDS_OF_VARIANCE : FEWEST_SEEDS;
  for (let seed = 1; seed <= mostSeeds; seed += 1) {
    results.push((await pool.run({ ...group.scenario, seed })) as ScenarioResult);
    const combined = combineSeeds(results);
    const areWithin = (part: number): boolean =>
      group.rows.every((row) => {
        const metric = combined[row.metric];
        return metric === undefined || metric.halfWidth <= part * Math.abs(metric.value);
      });
    if (results.length >= fewest && areWithin(NARROW)) break;
    if (results.length >= Math.min(effort.seeds, mostSeeds) && areWithin(WIDE / 3)) break;
  }
  return combineSeeds(results);
}

function familyTable(families: readonly ReferenceFamily[]): string {
  const cells = families.map((one) => [
    one.family,
    String(one.rows),
    String(one.passed),
    String(one.failed),
    one.means === 0 ? '–' : percent(one.meansPassed / one.means),
    percent(one.worstMean),
    percent(one.worst),
    one.isGood ? paint('green', 'pass') : paint('red', 'fail'),
  ]);
  return table(['family', '>rows', '>pass', '>fail', '>means pass', '>worst mean', '>worst', ''], cells);
}

function totalWords(total: ReferenceFamily, verdicts: readonly ReferenceVerdict[]): string {
  const unsupported = verdicts.filter((one) => one.verdict === 'unsupported').length;
  const shown = verdicts.filter((one) => one.verdict === 'shown').length;
  const means = `${total.meansPassed} of ${total.means} mean rows pass (${percent(total.meansPassed / Math.max(1, total.means))}), the worst is off by ${percent(total.worstMean)}`;
  const beyond = shown === 0 ? '' : `, ${shown} percentiles above load 0.8 are shown without a verdict`;
  return `${means}; ${total.passed} of ${total.rows} rows pass, ${total.failed - unsupported} fail, ${unsupported} are unsupported${beyond}`;
}

function flat(one: ReferenceVerdict): Readonly<Record<string, unknown>> {
  const { line, policy, distribution, params, rho, metric, value } = one.row;
  return {
    line,
    policy,
    distribution,
    params,
    rho,
    metric,
    value,
    verdict: one.verdict,
    measured: one.measured,
    ci95: one.halfWidth,
    deviation: one.deviation,
    tolerance: one.tolerance,
    note: one.note,
  };
}

function lineOf(one: ReferenceVerdict): string {
  const { line, policy, distribution, params, metric, value } = one.row;
  const verdict = one.verdict === 'pass' ? paint('green', 'pass') : one.verdict === 'shown' ? 'shown' : paint('red', one.verdict);
  const head = `${verdict}  line ${line}  ${policy}  ${distribution}  ${params}  ${metric} ${value}`;
  if (one.verdict === 'unsupported') return `${head}  (${one.note})`;
  const numbers = `measured ${one.measured.toPrecision(6)}, off by ${percent(one.deviation)} of ${percent(one.tolerance)}`;
  return `${head}  ${numbers}${one.note === '' ? '' : `  (${one.note})`}`;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`;
}
