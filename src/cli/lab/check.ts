import { readCsv } from '#lab/csv';
import type { ReferenceGroup, ReferenceVerdict } from '#lab/reference-check';
import { groupReferenceRows, isMeanRow, judge, referenceRows } from '#lab/reference-check';
import type { Metric, ScenarioResult } from '#lab/scenario';
import { createOutput, table } from '../output.ts';
import { countOption, textOption } from './lab-options.ts';
import { readInput } from './read-input.ts';
import type { LabInput } from './register.ts';
import { ScenarioPool } from './scenario-pool.ts';

/** Further seeds are not run once every interval of a group is narrower than this part of its value. */
const NARROW = 0.003;
const FEWEST_SEEDS = 2;
/** Student's t for 95 % by degrees of freedom, 1 … 10; more take the last. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228] as const;

/** `haven lab check FILE.csv`. Exit code 1 when a row fails. */
export async function run({ args, options, signal }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const jobs = countOption(options, 'jobs', 1_000_000);
  const seeds = countOption(options, 'seeds', 5);
  const family = textOption(options, 'family', '');
  const rows = referenceRows(readCsv(await readInput(args[0] ?? ''))).filter((row) => row.policy.includes(family));
  const groups = groupReferenceRows(rows, { jobs, seed: 1 });
  const verdicts: ReferenceVerdict[] = [];
  const startedAt = performance.now();
  let done = 0;
  await using pool = new ScenarioPool();
  await Promise.all(
    groups.map(async (group) => {
      const measured = await measure(group, { seeds, pool, signal });
      for (const row of group.rows) verdicts.push({ ...judge(row, measured?.[row.metric]), ...(group.problem === '' ? {} : { note: group.problem }) });
      done += 1;
      const elapsed = (performance.now() - startedAt) / 1_000;
      if (done % 20 === 0)
        output.progress(`${done} of ${groups.length} queues, ${elapsed.toFixed(0)} s, about ${((elapsed / done) * (groups.length - done)).toFixed(0)} s to go`);
    }),
  );
  verdicts.sort((a, b) => a.row.line - b.row.line);
  const families = familiesOf(verdicts);
  const means = verdicts.filter((one) => isMeanRow(one.row));
  const total = {
    means: means.length,
    meansPassed: means.filter((one) => one.verdict === 'pass').length,
    worstMean: Math.max(0, ...means.map((one) => one.deviation || 0)),
    ...countsOf(verdicts),
  };
  if (output.json) output.record({ rows: verdicts.map(flat), families, total, interrupted: signal.aborted });
  else {
    for (const one of verdicts) output.data(lineOf(one));
    const cells = families.map((one) => [one.family, String(one.rows), String(one.passed), String(one.failed), percent(one.worstMean), percent(one.worst)]);
    output.data(table(['family', '>rows', '>pass', '>fail', '>worst mean', '>worst'], cells));
    output.data(
      `${total.meansPassed} of ${total.means} mean rows pass (${percent(total.meansPassed / Math.max(1, total.means))}), worst ${percent(total.worstMean)}; ${total.passed} of ${verdicts.length} rows pass, ${total.failed} fail, ${total.unsupported} are unsupported`,
    );
  }
  return total.failed + total.unsupported === 0 && !signal.aborted ? 0 : 1;
}

/** Runs seeds one after the other until the intervals are narrow. Undefined when the group cannot be simulated. */
async function measure(
  group: ReferenceGroup,
  { seeds, pool, signal }: { seeds: number; pool: ScenarioPool; signal: AbortSignal },
): Promise<Readonly<Record<string, Metric>> | undefined> {
  if (group.scenario === undefined) return undefined;
  const results: ScenarioResult[] = [];
  for (let seed = 1; seed <= seeds && !signal.aborted; seed += 1) {
    results.push((await pool.run({ ...group.scenario, seed })) as ScenarioResult);
    const combined = combine(results);
    const isNarrow = group.rows.every((row) => {
      const metric = combined[row.metric];
      return metric === undefined || metric.halfWidth <= NARROW * Math.abs(metric.value);
    });
    if (results.length >= FEWEST_SEEDS && isNarrow) break;
  }
  return results.length === 0 ? undefined : combine(results);
}

/** The mean over seeds; its interval is the wider of the batches' and the seeds' own. */
function combine(results: readonly ScenarioResult[]): Readonly<Record<string, Metric>> {
  const combined: Record<string, Metric> = {};
  const count = results.length;
  for (const name of Object.keys(results[0]?.metrics ?? {})) {
    const metrics = results.map((result) => result.metrics[name] ?? { value: 0, halfWidth: 0 });
    const value = metrics.reduce((sum, metric) => sum + metric.value, 0) / count;
    const within = Math.sqrt(metrics.reduce((sum, metric) => sum + metric.halfWidth ** 2, 0)) / count;
    const spread = count < 2 ? 0 : Math.sqrt(metrics.reduce((sum, metric) => sum + (metric.value - value) ** 2, 0) / (count - 1) / count);
    // With two seeds Student's t is so wide that it would pass anything: batches speak then.
    const between = count < 3 ? 0 : spread * (STUDENT[Math.min(count - 1, STUDENT.length) - 1] as number);
    const fewSeeds = within === 0 && count === 2 ? spread * 2 : 0;
    combined[name] = { value, halfWidth: Math.max(within, between, fewSeeds) };
  }
  return combined;
}

interface Family {
  readonly family: string;
  readonly rows: number;
  readonly passed: number;
  readonly failed: number;
  readonly worstMean: number;
  readonly worst: number;
}

function familiesOf(verdicts: readonly ReferenceVerdict[]): readonly Family[] {
  const families = new Map<string, ReferenceVerdict[]>();
  for (const one of verdicts) {
    const name = one.row.policy.replace(/\(.*$/, '').trim();
    families.set(name, [...(families.get(name) ?? []), one]);
  }
  return [...families].map(([family, members]) => {
    const { passed, failed, unsupported } = countsOf(members);
    const worstOf = (list: readonly ReferenceVerdict[]): number => Math.max(0, ...list.map((one) => one.deviation || 0));
    return {
      family,
      rows: members.length,
      passed,
      failed: failed + unsupported,
      worstMean: worstOf(members.filter((one) => isMeanRow(one.row))),
      worst: worstOf(members),
    };
  });
}

function countsOf(verdicts: readonly ReferenceVerdict[]): {
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly shown: number;
} {
  const count = (verdict: ReferenceVerdict['verdict']): number => verdicts.filter((one) => one.verdict === verdict).length;
  return { passed: count('pass'), failed: count('fail'), unsupported: count('unsupported'), shown: count('shown') };
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
  const { policy, distribution, params, metric, value } = one.row;
  const numbers = `${metric} ${value} measured ${one.measured.toPrecision(6)} deviation ${percent(one.deviation)} of ${percent(one.tolerance)}`;
  return `${one.verdict.padEnd(4)}  ${policy}  ${distribution} ${params}  ${numbers}${one.note === '' ? '' : `  (${one.note})`}`;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`;
}
