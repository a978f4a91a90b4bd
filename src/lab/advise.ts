import type { ReplayFigures } from './advise-replay.ts';
import { quantileOf } from './advise-replay.ts';
import { printSeconds, printValue } from './compare-measures.ts';

/** Beyond this the replay of the incumbent policy is not the recorded system, and nothing it says about another policy is worth reading. */
export const MOST_CALIBRATION_ERROR = 0.15;
/** Recorded waits below this part of the mean response are as good as none: misses of them are judged against it. */
const WAIT_FLOOR = 0.01;

const CALIBRATED = [
  ['mean_wait', 'mean wait'],
  ['p50_wait', 'median wait'],
  ['p99_wait', '99th percentile of wait'],
] as const;

export interface CalibrationRow {
  readonly metric: string;
  readonly label: string;
  readonly recorded: number;
  readonly replayed: number;
  readonly error: number;
}

export interface Calibration {
  readonly rows: readonly CalibrationRow[];
  readonly worst: number;
  readonly isGood: boolean;
}

/** How far the replay of the policy under which a log was recorded is from what was recorded. */
export function calibrate(recorded: ReplayFigures, replayed: ReplayFigures): Calibration {
  const floor = WAIT_FLOOR * (recorded.metrics['mean_response'] ?? 0);
  const rows = CALIBRATED.map(([metric, label]) => {
    const [was, is] = [recorded.metrics[metric] ?? 0, replayed.metrics[metric] ?? 0];
    return { metric, label, recorded: was, replayed: is, error: Math.abs(is - was) / Math.max(was, floor, 1e-6) };
  });
  const worst = Math.max(...rows.map((row) => row.error));
  return { rows, worst, isGood: worst <= MOST_CALIBRATION_ERROR && replayed.fallback === '' };
}

/** What a policy does on the log and on resamples of it. */
export interface Candidate {
  readonly figures: ReplayFigures;
  readonly resamples: readonly ReplayFigures[];
  readonly needsEstimates: boolean;
  readonly interrupts: boolean;
}

/** The change of one measure from the incumbent, as a part of it, with a 95 % interval and the chance that it is an improvement. */
export interface Change {
  readonly metric: string;
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly part: number;
  readonly low: number;
  readonly high: number;
  readonly chanceBetter: number;
}

/** Measures that are weighed: averages, tails, and the worst-off. All are better when smaller. */
const WEIGHED = [
  ['mean_response', 'mean response'],
  ['p50_response', 'median response'],
  ['p99_response', '99th percentile of response'],
  ['mean_slowdown', 'mean slowdown'],
  ['p99_slowdown', '99th percentile of slowdown'],
  ['max_slowdown', 'worst slowdown'],
  ['worst_tenant_p99', '99th percentile of the worst-off tenant'],
  ['max_wait', 'longest wait'],
] as const;
/** The gain of a candidate is the geometric mean over these: the average, the tail, the small jobs and the worst-off tenant. */
const GAINED = ['mean_response', 'p99_response', 'mean_slowdown', 'p99_slowdown', 'worst_tenant_p99'] as const;

const SURE = 0.9;
const WORTH = 0.05;
const MOST_TAIL_LOSS = 0.1;
const MOST_TENANT_LOSS = 0.25;
/** A job that waits this many times the longest wait under the incumbent is starved. */
const STARVED = 10;

export interface Judgement {
  readonly policy: string;
  readonly changes: readonly Change[];
  /** 1 minus the geometric mean of what the measures became: 0.3 is 30 % better. */
  readonly gain: number;
  /** Why it is out of the question; empty if it is not. */
  readonly objections: readonly string[];
}

export interface Advice {
  /** The policy string to use: the incumbent's own when nothing is clearly better. */
  readonly policy: string;
  readonly incumbent: string;
  readonly sentence: string;
  readonly counterArguments: readonly [string, string];
  readonly judgements: readonly Judgement[];
}

export interface AdviceFacts {
  readonly load: number;
  readonly isClosed: boolean;
  readonly predictor: string;
}

/** Weighs candidates against the incumbent: never by the mean alone. */
export function advise(incumbent: Candidate, candidates: readonly Candidate[], facts: AdviceFacts): Advice {
  const judgements = candidates.map((candidate) => judge(incumbent, candidate));
  const [best] = judgements.filter((one) => one.objections.length === 0).sort((a, b) => b.gain - a.gain);
  const candidate = candidates.find((one) => one.figures.policy === best?.policy);
  const name = incumbent.figures.policy;
  if (best === undefined || candidate === undefined) return { policy: name, incumbent: name, judgements, ...keepWords(incumbent, judgements) };
  const mean = best.changes.find((change) => change.metric === 'mean_response');
  const tail = best.changes.find((change) => change.metric === 'p99_response');
  const slow = best.changes.find((change) => change.metric === 'mean_slowdown');
  const sentence =
    `Use ${best.policy} instead of ${name}: ${[mean, slow, tail].flatMap((change) => (change === undefined ? [] : [changeWords(change)])).join(', ')}; ` +
    `the chance that this workload is better off is ${percentOf(Math.max(mean?.chanceBetter ?? 0, slow?.chanceBetter ?? 0))}`;
  return { policy: best.policy, incumbent: name, sentence, counterArguments: counterArguments(best, candidate, facts), judgements };
}

function judge(incumbent: Candidate, candidate: Candidate): Judgement {
  const changes = WEIGHED.map(([metric, label]) => changeOf(incumbent, candidate, { metric, label }));
  const of = (metric: string): Change | undefined => changes.find((change) => change.metric === metric);
  let product = 1;
  for (const metric of GAINED) product *= Math.max(1e-6, 1 + (of(metric)?.part ?? 0));
  const gain = 1 - product ** (1 / GAINED.length);
  const objections: string[] = [];
  const chance = Math.max(of('mean_response')?.chanceBetter ?? 0, of('mean_slowdown')?.chanceBetter ?? 0);
  const [tail, tenant, longest] = [of('p99_response'), of('worst_tenant_p99'), of('max_wait')];
  if (candidate.figures.fallback !== '') objections.push(`it failed: ${candidate.figures.fallback}`);
  if (gain < WORTH) objections.push(`it gains ${percentOf(gain)} over all measures, which is not worth a change`);
  if (chance < SURE) objections.push(`the chance that it is better is only ${percentOf(chance)}`);
  if (tail !== undefined && tail.part > MOST_TAIL_LOSS) objections.push(`the 99th percentile of response would grow by ${percentOf(tail.part)}`);
  if (tenant !== undefined && tenant.part > MOST_TENANT_LOSS) objections.push(`the worst-off tenant's 99th percentile would grow by ${percentOf(tenant.part)}`);
  if (longest !== undefined && longest.from > 0 && longest.to > STARVED * longest.from) {
    objections.push(`it starves: somebody waits ${printSeconds(longest.to)} instead of at most ${printSeconds(longest.from)}`);
  }
  return { policy: candidate.figures.policy, changes, gain, objections };
}

function changeOf(incumbent: Candidate, candidate: Candidate, { metric, label }: { readonly metric: string; readonly label: string }): Change {
  const value = (figures: ReplayFigures | undefined): number => figures?.metrics[metric] ?? 0;
  const part = (from: number, to: number): number => (from === 0 ? (to === 0 ? 0 : 1) : (to - from) / from);
  const [from, to] = [value(incumbent.figures), value(candidate.figures)];
  const pairs = Math.min(incumbent.resamples.length, candidate.resamples.length);
  const parts = Array.from({ length: pairs }, (_, index) => part(value(incumbent.resamples[index]), value(candidate.resamples[index]))).sort((a, b) => a - b);
  const whole = part(from, to);
  return {
    metric,
    label,
    from,
    to,
    part: whole,
    low: Math.min(whole, pairs === 0 ? whole : quantileOf(parts, 0.025)),
    high: Math.max(whole, pairs === 0 ? whole : quantileOf(parts, 0.975)),
    chanceBetter: pairs === 0 ? (whole < 0 ? 1 : 0) : parts.filter((one) => one < 0).length / pairs,
  };
}

function changeWords({ label, from, to, part, low, high, metric }: Change): string {
  const print = (value: number): string => printValue(value, metric.endsWith('slowdown') ? '×' : 's');
  return `${label} from ${print(from)} to ${print(to)} (${signed(part)}, 95 % between ${signed(low)} and ${signed(high)})`;
}

/** The two strongest arguments against: what gets worse most, then what the replay cannot know. */
function counterArguments(judgement: Judgement, candidate: Candidate, facts: AdviceFacts): readonly [string, string] {
  const worse = judgement.changes
    .filter((change) => change.part > 0.05)
    .sort((a, b) => b.part - a.part)
    .map((change) => `${change.label} gets worse: ${changeWords(change)}`);
  const { metrics } = candidate.figures;
  const doubts: string[] = [];
  if (candidate.needsEstimates) {
    const error = metrics['prediction_error'] ?? 0;
    const source = facts.predictor === 'declared' ? 'declared sizes' : `sizes predicted by ${facts.predictor}`;
    doubts.push(`it lives on ${source}, which were off by a median factor of ${error.toFixed(2)} here; when they get worse, so does it`);
  }
  const interruptions = metrics['interruptions_per_job'] ?? 0;
  if (candidate.interrupts && interruptions > 0) {
    doubts.push(`it interrupts jobs, ${interruptions.toFixed(2)} times each on average: handlers must bear that, and waiting ones keep their memory`);
  }
  if (!facts.isClosed) {
    const load = facts.load >= 0.7 ? `, all the more at the load of ${facts.load.toFixed(2)} seen here` : '';
    doubts.push(`the replay is open: users who wait for an answer would have asked later, so gains are exaggerated${load}; --closed shows how much`);
  }
  doubts.push(
    'the past is not the future: this holds as long as the mix of jobs stays as recorded',
    'a gain in a replay is a prediction until it is observed: record again after the change and use --recheck',
  );
  const [first, second] = [...worse.slice(0, 1), ...doubts];
  return [first ?? '', second ?? ''];
}

function keepWords(incumbent: Candidate, judgements: readonly Judgement[]): Pick<Advice, 'sentence' | 'counterArguments'> {
  const name = incumbent.figures.policy;
  const ranked = [...judgements].sort((a, b) => b.gain - a.gain);
  const against = ranked.map((one) => `${one.policy} would change all measures by ${signed(-one.gain)} on average, but ${one.objections.join(', and ')}`);
  return {
    sentence: `Keep ${name}: nothing that was tried is clearly better for this workload without making somebody clearly worse off`,
    counterArguments: [against[0] ?? 'nothing else was tried', against[1] ?? 'policies that were not tried may do better: name them with --policies'],
  };
}

function percentOf(part: number): string {
  return `${(100 * part).toFixed(0)} %`;
}

function signed(part: number): string {
  return `${part < 0 ? '−' : '+'}${Math.abs(100 * part).toFixed(0)} %`;
}
