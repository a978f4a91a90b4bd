import { PlatformError } from '#base/errors';
import type { CapacityAnswer } from '#lab/capacity';
import { searchCapacity } from '#lab/capacity';
import { intervalOfRuns, intervalOfTrace } from '#lab/compare-interval';
import { printSpread, printValue } from '#lab/compare-measures';
import { loadOfTable } from '#lab/compare-table';
import { offeredLoad } from '#lab/scenario';
import { parseMicros } from '#policy/policy-string';
import { makeQueuePolicy } from '#policy/queue/policies';
import { EXIT } from '../exit-codes.ts';
import { createOutput, table } from '../output.ts';
import { countOption, textOption } from './lab-options.ts';
import { runTasks } from './lab-runs.ts';
import type { LabInput } from './register.ts';
import { readWorkload } from './workload-input.ts';

const TARGET = /^(mean|p50|p95|p99|max)_(response|wait|slowdown|bounded_slowdown)<=(.+)$/;
const DEFAULT_JOBS = 50_000;

interface Target {
  readonly metric: string;
  /** Seconds, or a factor for slowdowns. */
  readonly value: number;
  readonly unit: 's' | '×';
}

/** `haven lab capacity`. Exit code 1 when even the most workers allowed are not enough. */
export async function run({ options, signal }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const target = targetOf(textOption(options, 'target', 'p99_response<=1s'));
  const policy = makeQueuePolicy(textOption(options, 'policy', 'fifo')).name;
  const seeds = countOption(options, 'seeds', 5);
  const most = countOption(options, 'most', 1_000);
  const {
    name,
    scenario,
    table: jobs,
  } = await readWorkload({ ...options, jobs: options['jobs'] ?? (options['workload'] === undefined ? String(DEFAULT_JOBS) : undefined) }, output);
  const work = (jobs === undefined ? (offeredLoad(scenario) ?? 0) : loadOfTable(jobs, scenario.workers)) * scenario.workers;
  const answer = await searchCapacity({
    target: target.value,
    work,
    most,
    evaluate: async (workers) => {
      const tasks = Array.from({ length: seeds }, (_, index) => {
        const own = { ...scenario, workers, policy, seed: scenario.seed + index };
        return { kind: 'compare' as const, run: jobs === undefined ? { scenario: own } : { scenario: own, table: jobs, isResampled: index > 0 } };
      });
      const found = (await runTasks(tasks, { output, signal, label: `${workers} workers` })).filter((one) => one !== undefined);
      if (found.length < seeds) return undefined;
      const values = found.map((one) => one.metrics[target.metric] ?? { value: Number.NaN, halfWidth: 0 });
      const [whole, ...resamples] = values.map((one) => one.value);
      const measured = jobs === undefined ? intervalOfRuns(values) : intervalOfTrace(whole ?? 0, resamples);
      output.progress(`${workers} workers: ${target.metric} ${printValue(measured.value, target.unit)}${printSpread(measured)}`);
      return { workers, measured, met: values.filter((one) => one.value <= target.value).length / values.length };
    },
  });
  if (output.json) output.record({ workload: name, policy, target, work, seeds, ...answer, interrupted: signal.aborted });
  else output.data(words(answer, { target, policy, work, seeds, most }));
  if (signal.aborted) return EXIT.interrupted;
  return answer.workers === undefined ? EXIT.failed : EXIT.ok;
}

function words(
  answer: CapacityAnswer,
  facts: { readonly target: Target; readonly policy: string; readonly work: number; readonly seeds: number; readonly most: number },
): string {
  const { target, policy, work, seeds, most } = facts;
  const goal = `${target.metric.replaceAll('_', ' ')} of at most ${printValue(target.value, target.unit)}`;
  const rows = answer.trials.map((trial) => [
    String(trial.workers),
    `${printValue(trial.measured.value, target.unit)}${printSpread(trial.measured)}`,
    printValue(work / trial.workers, '%'),
    `${Math.round(trial.met * seeds)} of ${seeds}`,
    trial.verdict,
  ]);
  const shown = table(['>workers', `>${target.metric}`, '>load each', '>seeds that meet it', 'verdict'], rows);
  const least = `The work keeps ${work.toFixed(2)} workers busy, so ${answer.least} is the fewest that keep up at all.`;
  if (answer.isFloor) return `${shown}\n\n${least} No number of workers gives a ${goal}: nobody waits any more, and the jobs themselves take that long.`;
  if (answer.workers === undefined || answer.bracket === undefined)
    return `${shown}\n\n${least} Up to ${most} workers are not surely enough for a ${goal} under ${policy}.`;
  const [possible, sure] = answer.bracket;
  const doubt =
    possible === sure
      ? ''
      : ` With ${possible === sure - 1 ? possible : `${possible} to ${sure - 1}`} it is too close to call: more --seeds or --jobs may settle it.`;
  return `${shown}\n\n${least} ${sure} workers are enough for a ${goal} under ${policy}, with 95 % confidence.${doubt}`;
}

function targetOf(text: string): Target {
  const match = TARGET.exec(text.replaceAll(' ', ''));
  const value = match?.[3] ?? '';
  const isTime = match?.[2] === 'response' || match?.[2] === 'wait';
  const number = isTime ? (parseMicros(value) ?? Number.NaN) / 1e6 : Number(value);
  if (match === null || !(number > 0)) {
    throw new PlatformError('INVALID', `Cannot use --target "${text}", because it must be such as p99_response<=2s, mean_wait<=10ms or p95_slowdown<=5`, {
      text,
    });
  }
  return { metric: `${match[1]}_${match[2]}`, value: number, unit: isTime ? 's' : '×' };
}
