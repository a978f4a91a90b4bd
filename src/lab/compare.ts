import { makeQueuePolicy } from '#policy/queue/policies';
import { SHARING } from '#policy/queue/sharing';
import type { Interval } from './compare-interval.ts';
import { deviationOf, intervalOfRuns, intervalOfTrace, meanOf, studentOf } from './compare-interval.ts';
import type { Measure } from './compare-measures.ts';
import { MEASURES } from './compare-measures.ts';
import type { SizeBin } from './compare-recorder.ts';
import type { RunFigures, RunPictures, TenantFigures } from './compare-run.ts';

/** What all runs of one policy say together. */
export interface PolicySummary {
  readonly policy: string;
  readonly metrics: Readonly<Record<string, Interval>>;
  /** The runs by seed, for differences in pairs. */
  readonly runs: readonly RunFigures[];
  readonly tenants: readonly TenantFigures[];
  readonly sizes: readonly SizeBin[];
  readonly pictures: RunPictures | undefined;
  readonly fallback: string;
  readonly invalid: Readonly<Record<string, number>>;
  /** Whether it decides by predicted sizes. */
  readonly needsEstimates: boolean;
}

export interface Comparison {
  readonly workload: string;
  /** What the seeds are: independent draws of a synthetic workload, or the trace itself and then resamples of it. */
  readonly sampling: 'seeds' | 'trace';
  readonly workers: number;
  readonly load: number | undefined;
  readonly isUnstable: boolean;
  /** Whether policies were told the true sizes. */
  readonly hasExactEstimates: boolean;
  readonly summaries: readonly PolicySummary[];
}

/** Joins the runs of one policy. With a trace, the first run is the trace itself and the others are resamples. */
export function summarise(runs: readonly RunFigures[], sampling: Comparison['sampling']): PolicySummary | undefined {
  const first = runs[0];
  if (first === undefined) return undefined;
  const metrics: Record<string, Interval> = {};
  for (const name of Object.keys(first.metrics)) {
    const values = runs.map((run) => run.metrics[name] ?? { value: 0, halfWidth: 0 });
    const [whole, ...resamples] = values.map((one) => one.value);
    metrics[name] = sampling === 'seeds' ? intervalOfRuns(values) : intervalOfTrace(whole ?? 0, resamples);
  }
  const invalid: Record<string, number> = {};
  for (const run of runs) for (const [reason, count] of Object.entries(run.invalid)) invalid[reason] = (invalid[reason] ?? 0) + count;
  return {
    policy: first.policy,
    metrics,
    runs,
    tenants: first.tenants,
    sizes: mergeBins(sampling === 'seeds' ? runs : [first]),
    pictures: first.pictures,
    fallback: runs.find((run) => run.fallback !== '')?.fallback ?? '',
    invalid,
    needsEstimates: SHARING[first.policy] === undefined && makeQueuePolicy(first.policy).uses.estimate === true,
  };
}

function mergeBins(runs: readonly RunFigures[]): readonly SizeBin[] {
  const merged = new Map<number, SizeBin>();
  for (const bin of runs.flatMap((run) => run.sizes)) {
    const known = merged.get(bin.low);
    if (known === undefined) merged.set(bin.low, { ...bin });
    else {
      known.count += bin.count;
      known.slowdown += bin.slowdown;
      known.response += bin.response;
      known.mostSlowdown = Math.max(known.mostSlowdown, bin.mostSlowdown);
    }
  }
  return [...merged.values()].sort((a, b) => a.low - b.low);
}

/** How much larger `other` is than `base` in one measure, as a part of `base`. Seeds are compared in pairs: both saw the same jobs. */
export interface Difference extends Interval {
  /** Part of the pairs in which `other` is smaller. */
  readonly smaller: number;
  /** Whether chance is ruled out: the 95 % interval leaves out 0. A single pair never does. */
  readonly isClear: boolean;
}

/** A single run has no interval: smaller differences are not judged then. */
const CLEAR_WITHOUT_INTERVAL = 0.1;
/** Differences below this do not matter, however sure they are. */
const NEGLIGIBLE = 0.01;

export function differenceOf(
  base: PolicySummary,
  other: PolicySummary,
  options: { readonly key: string; readonly sampling: Comparison['sampling'] },
): Difference {
  const { key, sampling } = options;
  const pairs = Math.min(base.runs.length, other.runs.length);
  const parts = Array.from({ length: pairs }, (_, index) => {
    const [from, to] = [base.runs[index]?.metrics[key]?.value ?? 0, other.runs[index]?.metrics[key]?.value ?? 0];
    return from === 0 ? (to === 0 ? 0 : Number.MAX_SAFE_INTEGER) : (to - from) / Math.abs(from);
  });
  const isTrace = sampling === 'trace';
  const resampled = isTrace ? parts.slice(1) : parts;
  const value = isTrace ? (parts[0] ?? 0) : meanOf(parts);
  const halfWidth = (studentOf(resampled.length) * deviationOf(resampled)) / (isTrace ? 1 : Math.sqrt(Math.max(1, resampled.length)));
  const bound = resampled.length < 2 ? CLEAR_WITHOUT_INTERVAL : Math.max(halfWidth, NEGLIGIBLE);
  return { value, halfWidth, smaller: meanOf(parts.map((part) => (part < 0 ? 1 : 0))), isClear: Math.abs(value) > bound };
}

/** Who is best and worst in one measure; policies that chance may have put behind count as best too. */
export interface Standing {
  readonly measure: Measure;
  readonly best: readonly PolicySummary[];
  readonly worst: readonly PolicySummary[];
}

/** The standings in all judged measures in which policies clearly differ. */
export function standingsOf(comparison: Comparison): readonly Standing[] {
  const { sampling } = comparison;
  const summaries = comparison.summaries.filter((one) => one.fallback === '');
  return MEASURES.filter((measure) => measure.isJudged).flatMap((measure) => {
    const sign = measure.better === 'high' ? -1 : 1;
    const ordered = summaries.filter((one) => one.metrics[measure.key] !== undefined).sort((a, b) => sign * (valueIn(a, measure) - valueIn(b, measure)));
    const [first, last] = [ordered[0], ordered.at(-1)];
    if (first === undefined || last === undefined) return [];
    const isBehind = (ahead: PolicySummary, behind: PolicySummary): boolean => {
      const difference = differenceOf(ahead, behind, { key: measure.key, sampling });
      return difference.isClear && sign * difference.value > 0;
    };
    if (!isBehind(first, last)) return [];
    return [{ measure, best: ordered.filter((one) => !isBehind(first, one)), worst: ordered.filter((one) => isBehind(first, one) && !isBehind(one, last)) }];
  });
}

/** Policies that another beats or equals in every judged measure: pairs of the worse and the better. */
export function dominatedPolicies(comparison: Comparison): readonly (readonly [worse: PolicySummary, better: PolicySummary])[] {
  const { sampling } = comparison;
  const summaries = comparison.summaries.filter((one) => one.fallback === '');
  const judged = MEASURES.filter((measure) => measure.isJudged);
  return summaries.flatMap((worse) => {
    const better = summaries.find((other) => {
      if (other === worse) return false;
      const own = judged.filter((measure) => worse.metrics[measure.key] !== undefined);
      // Exact sharing has no interruptions to count, which is not the same as having none.
      if (own.some((measure) => other.metrics[measure.key] === undefined)) return false;
      const signs = own.map((measure) => {
        const difference = differenceOf(worse, other, { key: measure.key, sampling });
        return difference.isClear ? Math.sign(difference.value) * (measure.better === 'high' ? -1 : 1) : 0;
      });
      return signs.every((sign) => sign <= 0) && signs.some((sign) => sign < 0);
    });
    return better === undefined ? [] : [[worse, better] as const];
  });
}

export function valueIn(summary: PolicySummary, measure: Measure): number {
  return summary.metrics[measure.key]?.value ?? Number.NaN;
}

/** Whether two policies did the very same in every run. */
export function isAlike(one: PolicySummary, other: PolicySummary): boolean {
  return (
    one.runs.length === other.runs.length &&
    one.runs.every((run, index) => {
      const twin = other.runs[index]?.metrics ?? {};
      return Object.entries(run.metrics).every(([name, interval]) => twin[name]?.value === interval.value);
    })
  );
}
