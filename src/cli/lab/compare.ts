import { writeFile } from 'node:fs/promises';
import { messageOf, PlatformError } from '#base/errors';
import type { Comparison, PolicySummary } from '#lab/compare';
import { summarise } from '#lab/compare';
import type { ComparedRun, RunFigures } from '#lab/compare-run';
import { loadOfTable } from '#lab/compare-table';
import { comparisonCsv, comparisonTable } from '#lab/compare-table-text';
import { unstableWords, wordsOf } from '#lab/compare-words';
import { comparisonPage } from '#lab/report/comparison-page';
import { comparisonSvg } from '#lab/report/comparison-svg';
import { offeredLoad } from '#lab/scenario';
import { parsePolicyString } from '#policy/policy-string';
import { makeQueuePolicy } from '#policy/queue/policies';
import { SHARING } from '#policy/queue/sharing';
import { EXIT } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { createOutput, plural, table } from '../output.ts';
import { splitPolicies } from './gantt.ts';
import { countOption, textOption } from './lab-options.ts';
import { runTasks } from './lab-runs.ts';
import type { LabInput } from './register.ts';
import type { WorkloadInput } from './workload-input.ts';
import { readWorkload } from './workload-input.ts';

const MOST_POLICIES = 24;

/** `haven lab compare`. */
export async function run({ options, signal }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const policies = policiesOf(textOption(options, 'policies', 'fifo,round-robin,sjf,time-slice?quantum=1ms,srpt'));
  const seeds = countOption(options, 'seeds', 5);
  const workload = await readWorkload(options, output);
  const comparison = await compare({ workload, policies, seeds, output, signal });
  if (comparison.summaries.length === 0) throw new PlatformError('ABORTED', 'Interrupted before the first run was done');
  await report(comparison, { options, output });
  if (!signal.aborted) return EXIT.ok;
  output.warn(`interrupted: the figures are those of ${comparison.summaries.map((one) => `${plural(one.runs.length, 'run')} of ${one.policy}`).join(', ')}`);
  return EXIT.interrupted;
}

/** Runs every policy with every seed. Seeds come before policies, so that an interrupted comparison holds all policies. */
async function compare(input: {
  readonly workload: WorkloadInput;
  readonly policies: readonly string[];
  readonly seeds: number;
  readonly output: Output;
  readonly signal: AbortSignal;
}): Promise<Comparison> {
  const { workload, policies, seeds, output, signal } = input;
  const load = workload.table === undefined ? offeredLoad(workload.scenario) : loadOfTable(workload.table, workload.scenario.workers);
  const { capacity, patience } = workload.scenario;
  const head = {
    workload: workload.name,
    sampling: workload.table === undefined ? ('seeds' as const) : ('trace' as const),
    workers: workload.scenario.workers,
    load,
    hasExactEstimates: hasExactEstimates(workload),
    isUnstable: load !== undefined && load >= 1 && capacity === undefined && patience === undefined,
  };
  for (const words of unstableWords(head)) output.warn(words);
  const tasks = Array.from({ length: seeds }, (_, index) => index).flatMap((index) =>
    policies.map((policy) => ({ kind: 'compare' as const, run: runOf(workload, { policy, index }) })),
  );
  const results = await runTasks(tasks, { output, signal, label: 'compare' });
  const summaries = policies.flatMap((policy, place) => {
    const runs = results.filter((result, index): result is RunFigures => index % policies.length === place && result !== undefined);
    const summary = summarise(runs, head.sampling);
    return summary === undefined ? [] : [{ ...summary, policy }];
  });
  return { ...head, summaries };
}

/** Whether policies are told the true sizes: by an oracle, or because a trace declares nothing else. */
function hasExactEstimates({ scenario, table: jobs }: WorkloadInput): boolean {
  const model = scenario.estimates?.model ?? 'exact';
  return model === 'exact' || (model === 'declared' && jobs?.estimate.every((estimate, index) => estimate === jobs.size[index]) === true);
}

function runOf(workload: WorkloadInput, { policy, index }: { readonly policy: string; readonly index: number }): ComparedRun {
  const scenario = { ...workload.scenario, policy, seed: workload.scenario.seed + index };
  if (workload.table === undefined) return { scenario, isDetailed: index === 0 };
  return { scenario, table: workload.table, isResampled: index > 0, isDetailed: index === 0 };
}

function policiesOf(text: string): readonly string[] {
  const policies = [...new Set(splitPolicies(text))];
  if (policies.length === 0 || policies.length > MOST_POLICIES) {
    throw new PlatformError('INVALID', `Cannot compare ${policies.length} policies, because it takes from 1 to ${MOST_POLICIES}`, { text });
  }
  for (const policy of policies) if (SHARING[policy] === undefined) makeQueuePolicy(policy);
  return policies;
}

async function report(comparison: Comparison, { options, output }: { readonly options: LabInput['options']; readonly output: Output }): Promise<void> {
  const files: readonly (readonly [name: string, make: () => string])[] = [
    ['html', () => comparisonPage(comparison)],
    ['csv', () => comparisonCsv(comparison)],
    ['svg', () => comparisonSvg(comparison)],
  ];
  let isPrinted = false;
  for (const [name, make] of files) {
    const path = options[name];
    if (path === true) {
      process.stdout.write(make());
      isPrinted = true;
    } else if (typeof path === 'string') await writeReport(path, { text: make(), output });
  }
  for (const one of comparison.summaries) for (const words of troublesOf(one)) output.warn(words);
  if (isPrinted) return;
  if (output.json) output.record(jsonOf(comparison));
  else {
    const { head, rows } = comparisonTable(comparison);
    output.data(table(head, rows));
    output.data('');
    for (const words of wordsOf(comparison)) output.data(words);
  }
}

async function writeReport(path: string, { text, output }: { readonly text: string; readonly output: Output }): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new PlatformError('INVALID', `Cannot write "${path}", because ${messageOf(cause)}`, { path }, { cause });
  }
  output.progress(`wrote ${path}`);
}

function troublesOf(summary: PolicySummary): readonly string[] {
  const refused = Object.entries(summary.invalid).map(([reason, count]) => `${summary.policy}: ${count} times ${reason}`);
  return summary.fallback === '' ? refused : [...refused, `${summary.policy} was replaced by first come, first served: ${summary.fallback}`];
}

function jsonOf(comparison: Comparison): unknown {
  const { workload, sampling, workers, load, isUnstable, summaries } = comparison;
  return {
    workload,
    sampling,
    workers,
    load,
    unstable: isUnstable,
    policies: summaries.map(({ policy, metrics, runs, tenants, fallback, invalid }) => ({
      policy,
      name: parsePolicyString(policy).name,
      seeds: runs.length,
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, one]) => [name, one.value])),
      ci95: Object.fromEntries(Object.entries(metrics).flatMap(([name, one]) => (one.halfWidth > 0 ? [[name, one.halfWidth]] : []))),
      tenants,
      fallback,
      invalid,
    })),
    words: wordsOf(comparison),
  };
}
