import { writeFile } from 'node:fs/promises';
import { messageOf, PlatformError } from '#base/errors';
import type { Advice, Calibration, Candidate } from '#lab/advise';
import { advise, calibrate, MOST_CALIBRATION_ERROR } from '#lab/advise';
import { candidatePolicies } from '#lab/advise-candidates';
import { predictionOf, readPrediction, recheck } from '#lab/advise-recheck';
import type { Replay, ReplayFigures } from '#lab/advise-replay';
import { recordedFigures } from '#lab/advise-replay';
import type { LogCounts, ReplayTable } from '#lab/advise-table';
import { loadOfReplay, replayTableOf } from '#lab/advise-table';
import { printSeconds, printValue } from '#lab/compare-measures';
import type { Recording } from '#lab/event-log-jobs';
import { recordingOf } from '#lab/event-log-jobs';
import { makeQueuePolicy } from '#policy/queue/policies';
import { makePredictor } from '#policy/queue/predictors';
import { EXIT } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { createOutput, table } from '../output.ts';
import { splitPolicies } from './gantt.ts';
import { countOption, durationOf, textOption } from './lab-options.ts';
import { runTasks } from './lab-runs.ts';
import { readInput, readJson } from './read-input.ts';
import type { LabInput } from './register.ts';
import { readLog } from './workload-input.ts';

/** Jobs simulated in all, at most: fewer resamples are drawn of longer logs. */
const MOST_SIMULATED = 6_000_000;
const FEWEST_RESAMPLES = 10;

type Options = LabInput['options'];

/** `haven lab advise LOG`. Exit code 1 when it refuses to advise. */
export async function run({ args, options, signal }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const path = args[0] ?? '';
  const log = readLog(path, { text: await readInput(path), output });
  const recording = recordingOf(log);
  for (const [reason, count] of recording.odd) output.warn(`${count} events of ${path} tell of ${reason}, and were ignored`);
  if (recording.isTrace) {
    throw new PlatformError('INVALID', `Cannot advise on "${path}", because it is a trace: it says what came but not what became of it. Use haven lab compare`);
  }
  const workers = options['servers'] === undefined ? recording.workers : countOption(options, 'servers', 1);
  const { table: replayTable, counts } = replayTableOf({ ...recording, workers });
  const incumbent = makeQueuePolicy(textOption(options, 'incumbent', log.header.policy ?? 'fifo')).name;
  const recorded = recordedFigures(recording.jobs, incumbent);
  const saved = options['recheck'];
  if (typeof saved === 'string') return reportRecheck(saved, { prediction: await readJson(saved), recorded, output });
  const setting = settingOf(options, { table: replayTable, declaredCost: log.header.switchCost ?? 0 });
  const [replayed] = await replays([{ ...setting, policy: incumbent, resample: 0, predictor: predictorOfIncumbent(recording, setting) }], { output, signal });
  if (replayed === undefined) throw new PlatformError('ABORTED', 'Interrupted before the replay was done');
  const calibration = calibrate(recorded, replayed);
  if (!calibration.isGood) return refuse(calibration, { incumbent, counts, output });
  return await weigh({ setting, incumbent, counts, calibration, options, output, signal });
}

type Setting = Omit<Replay, 'policy' | 'resample'>;

function settingOf(options: Options, { table: replayTable, declaredCost }: { readonly table: ReplayTable; readonly declaredCost: number }): Setting {
  const isDeclared = replayTable.estimate.every((estimate) => estimate > 0);
  const predictor = textOption(options, 'predictor', isDeclared ? 'declared' : 'last-two');
  if (predictor !== 'declared') makePredictor(predictor);
  return { table: replayTable, predictor, isClosed: options['closed'] === true, switchCost: durationOf(options, 'switchCost') || declaredCost };
}

/** The incumbent decided by what was declared, if anything was. */
function predictorOfIncumbent(recording: Recording, setting: Setting): string {
  return recording.jobs.some((job) => job.estimate > 0) ? 'declared' : setting.predictor;
}

interface Running {
  readonly output: Output;
  readonly signal: AbortSignal;
}

async function replays(list: readonly Replay[], { output, signal }: Running): Promise<readonly (ReplayFigures | undefined)[]> {
  return await runTasks(
    list.map((replay) => ({ kind: 'replay' as const, replay })),
    { output, signal, label: 'advise' },
  );
}

async function weigh(
  input: Running & {
    readonly setting: Setting;
    readonly incumbent: string;
    readonly counts: LogCounts;
    readonly calibration: Calibration;
    readonly options: Options;
  },
): Promise<number> {
  const { setting, incumbent, options, output, signal, counts, calibration } = input;
  const named = textOption(options, 'policies', '');
  const policies =
    named === ''
      ? candidatePolicies(setting.table, { incumbent, mayInterrupt: options['preempt'] !== false, predictor: setting.predictor })
      : splitPolicies(named).map((one) => makeQueuePolicy(one).name);
  const all = [incumbent, ...policies.filter((one) => one !== incumbent)];
  const affordable = Math.floor(MOST_SIMULATED / (setting.table.jobs * all.length));
  const resamples = countOption(options, 'resamples', Math.max(FEWEST_RESAMPLES, Math.min(40, affordable)));
  // The log itself first, then its resamples: an interrupted run knows all policies a little.
  const tasks = Array.from({ length: resamples + 1 }, (_, resample) => all.map((policy) => ({ ...setting, policy, resample }))).flat();
  const results = await replays(tasks, { output, signal });
  const candidates = all.map((policy, place): Candidate | undefined => {
    const [figures, ...rest] = results.filter((_, index) => index % all.length === place);
    const { uses } = makeQueuePolicy(policy);
    if (figures === undefined) return undefined;
    return {
      figures,
      resamples: rest.filter((one) => one !== undefined),
      needsEstimates: uses.estimate === true,
      interrupts: uses.preempt === true || uses.quantum === true,
    };
  });
  const [own, ...others] = candidates.filter((one) => one !== undefined);
  if (own === undefined || own.figures.policy !== incumbent) throw new PlatformError('ABORTED', 'Interrupted before the first replay was done');
  const advice = advise(own, others, { load: loadOfReplay(setting.table), isClosed: setting.isClosed, predictor: setting.predictor });
  const chosen = [own, ...others].find((one) => one.figures.policy === advice.policy) ?? own;
  const save = options['save'];
  if (typeof save === 'string') await savePrediction(save, { text: JSON.stringify(predictionOf(advice, chosen), null, 2), output });
  report({ advice, calibration, counts, candidates: [own, ...others], resamples: own.resamples.length, output });
  if (!signal.aborted) return EXIT.ok;
  output.warn(`interrupted: the advice rests on ${own.resamples.length} resamples`);
  return EXIT.interrupted;
}

function report(input: {
  readonly advice: Advice;
  readonly calibration: Calibration;
  readonly counts: LogCounts;
  readonly candidates: readonly Candidate[];
  readonly resamples: number;
  readonly output: Output;
}): void {
  const { advice, calibration, counts, candidates, resamples, output } = input;
  if (output.json) {
    const figures = candidates.map((one) => one.figures);
    output.record({ advice: advice.policy, ...advice, calibration, counts, resamples, figures });
    return;
  }
  output.data(countWords(counts));
  output.data(calibrationWords(calibration, advice.incumbent));
  output.data('');
  const heads = [
    'policy',
    '>mean resp',
    '>p99 resp',
    '>mean slow',
    '>p99 slow',
    '>max slow',
    '>worst tenant p99',
    '>longest wait',
    '>interr/job',
    '>P(better)',
  ];
  output.data(
    table(
      heads,
      candidates.map((one) => rowOf(one, advice)),
    ),
  );
  output.data('');
  output.data(advice.policy);
  output.data(`${advice.sentence}.`);
  for (const words of advice.counterArguments) output.data(`But: ${words}.`);
  if (advice.policy !== advice.incumbent)
    output.data('After the change, record again and run haven lab advise NEWLOG --recheck FILE with the file that --save wrote.');
}

function rowOf({ figures }: Candidate, advice: Advice): readonly string[] {
  const { metrics } = figures;
  const seconds = (name: string): string => printSeconds(metrics[name] ?? 0);
  const times = (name: string): string => printValue(metrics[name] ?? 0, '×');
  const judgement = advice.judgements.find((one) => one.policy === figures.policy);
  const chance = Math.max(
    0,
    ...(judgement?.changes ?? []).filter((change) => ['mean_response', 'mean_slowdown'].includes(change.metric)).map((one) => one.chanceBetter),
  );
  return [
    figures.policy,
    seconds('mean_response'),
    seconds('p99_response'),
    times('mean_slowdown'),
    times('p99_slowdown'),
    times('max_slowdown'),
    seconds('worst_tenant_p99'),
    seconds('max_wait'),
    printValue(metrics['interruptions_per_job'] ?? 0, ''),
    judgement === undefined ? 'now' : printValue(chance, '%'),
  ];
}

function countWords(counts: LogCounts): string {
  const parts = [
    `${counts.finished} finished`,
    `${counts.failed} failed`,
    `${counts.cancelled} cancelled`,
    `${counts.censored} had not ended (replayed, not measured)`,
  ];
  const guessed = counts.guessed === 0 ? '' : `; ${counts.guessed} never ran, so that their size is a guess`;
  return `${counts.jobs} jobs: ${parts.join(', ')}${guessed}; ${counts.outages} outages of workers`;
}

function calibrationWords(calibration: Calibration, incumbent: string): string {
  const rows = calibration.rows.map(
    (row) => `${row.label} ${printSeconds(row.recorded)} recorded, ${printSeconds(row.replayed)} replayed (${(100 * row.error).toFixed(1)} % off)`,
  );
  return `calibration, ${incumbent}: ${rows.join('; ')}`;
}

function refuse(
  calibration: Calibration,
  { incumbent, counts, output }: { readonly incumbent: string; readonly counts: LogCounts; readonly output: Output },
): number {
  const limit = `${(100 * MOST_CALIBRATION_ERROR).toFixed(0)} %`;
  const missed = calibration.rows.filter((row) => row.error > MOST_CALIBRATION_ERROR).map((row) => `${row.label} by ${(100 * row.error).toFixed(0)} %`);
  const refusal =
    `No advice: replaying ${incumbent} misses what was recorded (${missed.join(', ')}), and more than ${limit} is too much. ` +
    'Check --incumbent, --servers and --switch-cost, and whether workers did other work';
  if (output.json) output.record({ advice: null, refusal, calibration, counts });
  else {
    output.data(countWords(counts));
    output.data(calibrationWords(calibration, incumbent));
    output.data(refusal);
  }
  return EXIT.failed;
}

function reportRecheck(
  path: string,
  { prediction, recorded, output }: { readonly prediction: unknown; readonly recorded: ReplayFigures; readonly output: Output },
): number {
  const known = readPrediction(prediction);
  const rows = recheck(known, recorded);
  if (output.json) {
    output.record({ policy: known.policy, rows });
    return EXIT.ok;
  }
  output.data(`${known.policy}: what ${path} predicted, and what came`);
  output.data(
    table(
      ['measure', '>predicted', '>between', '>observed', '>off', ''],
      rows.map((row) => {
        const print = (value: number): string => printValue(value, row.label.includes('slowdown') ? '×' : 's');
        return [
          row.label,
          print(row.predicted),
          `${print(row.low)} – ${print(row.high)}`,
          print(row.observed),
          `${(100 * row.deviation).toFixed(0)} %`,
          row.isInside ? 'as predicted' : 'outside',
        ];
      }),
    ),
  );
  return EXIT.ok;
}

async function savePrediction(path: string, { text, output }: { readonly text: string; readonly output: Output }): Promise<void> {
  try {
    await writeFile(path, `${text}\n`);
  } catch (cause) {
    throw new PlatformError('INVALID', `Cannot write "${path}", because ${messageOf(cause)}`, { path }, { cause });
  }
  output.progress(`wrote ${path}`);
}
