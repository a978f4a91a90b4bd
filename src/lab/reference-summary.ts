import type { ReferenceVerdict } from './reference-check.ts';
import { isMeanRow } from './reference-check.ts';
import type { Metric, ScenarioResult } from './scenario.ts';

/** Student's t for 95 % by degrees of freedom, 1 … 10; more take the last. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228] as const;

/** The mean over seeds; its interval is the wider of the batches' and the seeds' own. */
export function combineSeeds(results: readonly ScenarioResult[]): Readonly<Record<string, Metric>> {
  const combined: Record<string, Metric> = {};
  const count = results.length;
  for (const name of Object.keys(results[0]?.metrics ?? {})) {
    const metrics = results.map((result) => result.metrics[name] ?? { value: 0, halfWidth: 0 });
    const value = metrics.reduce((sum, metric) => sum + metric.value, 0) / count;
    const within = Math.sqrt(metrics.reduce((sum, metric) => sum + metric.halfWidth ** 2, 0)) / count;
    const spread = count < 2 ? 0 : Math.sqrt(metrics.reduce((sum, metric) => sum + (metric.value - value) ** 2, 0) / (count - 1) / count);
    // With two seeds Student's t is so wide that it would pass anything: batches speak then, where there are any.
    const hasSpread = count > 2 || (count === 2 && within === 0);
    const between = hasSpread ? spread * (STUDENT[Math.min(count - 1, STUDENT.length) - 1] as number) : 0;
    combined[name] = { value, halfWidth: Math.max(within, between) };
  }
  return combined;
}

/** Means of a family that must be within their tolerance, and the deviation that none may exceed. */
const MOST_MEANS_OUTSIDE = 0.03;
const WORST_MEAN = 0.05;

/** How the rows of policies with one name fare. */
export interface ReferenceFamily {
  readonly family: string;
  readonly rows: number;
  readonly means: number;
  readonly meansPassed: number;
  readonly worstMean: number;
  readonly passed: number;
  /** Outside the tolerance, or unsupported. */
  readonly failed: number;
  readonly worst: number;
  /** At least 97 % of the means within their tolerance, none off by more than 5 %, everything else within its own, and nothing unsupported. */
  readonly isGood: boolean;
}

/** The families in order of first appearance. */
export function familiesOf(verdicts: readonly ReferenceVerdict[]): readonly ReferenceFamily[] {
  const families = new Map<string, ReferenceVerdict[]>();
  for (const one of verdicts) {
    const name = one.row.policy.replace(/\(.*$/, '').trim();
    families.set(name, [...(families.get(name) ?? []), one]);
  }
  return [...families].map(([family, members]) => familyOf(family, members));
}

/** The same for any set of rows. */
export function familyOf(family: string, members: readonly ReferenceVerdict[]): ReferenceFamily {
  const worstOf = (list: readonly ReferenceVerdict[]): number => list.reduce((worst, one) => Math.max(worst, one.deviation || 0), 0);
  const means = members.filter((one) => isMeanRow(one.row));
  const meansPassed = means.filter((one) => one.verdict === 'pass').length;
  const worstMean = worstOf(means);
  const failed = members.filter((one) => one.verdict === 'fail' || one.verdict === 'unsupported').length;
  const others = members.filter((one) => !isMeanRow(one.row));
  return {
    family,
    rows: members.length,
    means: means.length,
    meansPassed,
    worstMean,
    passed: members.filter((one) => one.verdict === 'pass').length,
    failed,
    worst: worstOf(members),
    isGood:
      means.length - meansPassed <= MOST_MEANS_OUTSIDE * means.length &&
      worstMean <= WORST_MEAN &&
      members.every((one) => one.verdict !== 'unsupported') &&
      others.every((one) => one.verdict === 'pass' || one.verdict === 'shown'),
  };
}
