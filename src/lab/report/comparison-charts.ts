import type { Comparison, PolicySummary } from '../compare.ts';
import type { Curve } from '../compare-run.ts';
import { UNIT } from '../job-source.ts';
import type { ChartSeries } from './line-chart.ts';
import { lineChart } from './line-chart.ts';
import { printPart, printTick } from './ticks.ts';
import { spanOfWindows, windowChart } from './window-chart.ts';

/** Size bins with fewer jobs are too noisy to draw. */
const FEWEST_IN_BIN = 5;

const seconds = (value: number): string => printTick(value, 's');
const plain = (value: number): string => printTick(value, '');

/** How many jobs were done within a time, per policy. */
export function responseChart(comparison: Comparison, hasNoLegend = false): string {
  return lineChart({
    title: 'Response time: share of jobs done within …',
    x: { label: 'response time', kind: 'log', print: seconds },
    y: { label: 'share of jobs', kind: 'linear', print: printPart, domain: [0, 1] },
    series: curvesOf(comparison, (one) => one.pictures?.responses ?? []),
    hasNoLegend,
  });
}

export function waitChart(comparison: Comparison, hasNoLegend = false): string {
  return lineChart({
    title: 'Wait: share of jobs that waited at most …',
    x: { label: 'time not served, from arrival to end', kind: 'log', print: seconds },
    y: { label: 'share of jobs', kind: 'linear', print: printPart, domain: [0, 1] },
    series: curvesOf(comparison, (one) => (one.pictures?.waits ?? []).filter(([wait]) => wait > 0)),
    hasNoLegend,
  });
}

/** How many jobs were slowed down by more than a factor: the tail, on two logarithmic axes. */
export function slowdownTailChart(comparison: Comparison, hasNoLegend = false): string {
  return lineChart({
    title: 'Slowdown: share of jobs slowed down by more than …',
    x: { label: 'slowdown (response / size)', kind: 'log', print: plain },
    y: { label: 'share of jobs', kind: 'log', print: printPart },
    series: curvesOf(comparison, (one) => (one.pictures?.slowdowns ?? []).map(([x, y]) => [x, 1 - y] as const).filter(([, y]) => y > 1e-6)),
    hasNoLegend,
  });
}

/** Who pays: mean slowdown of jobs of each size. */
export function sizeChart(comparison: Comparison, hasNoLegend = false): string {
  return lineChart({
    title: 'Who pays: mean slowdown by job size',
    x: { label: 'size of the job (service time)', kind: 'log', print: seconds },
    y: { label: 'mean slowdown', kind: 'log', print: plain },
    series: curvesOf(comparison, (one) =>
      one.sizes.filter((bin) => bin.count >= FEWEST_IN_BIN).map((bin) => [(bin.low * 1.22) / UNIT, bin.slowdown / bin.count] as const),
    ),
    hasNoLegend,
  });
}

export function queueChart(comparison: Comparison, hasNoLegend = false): string {
  return lineChart({
    title: 'Jobs in the system over time (first run)',
    x: { label: 'time', kind: 'linear', print: seconds },
    y: { label: 'jobs', kind: 'linear', print: plain },
    series: curvesOf(comparison, (one) => one.pictures?.queue ?? []),
    hasNoLegend,
  });
}

/** The same jobs under each policy, on one time axis. */
export function windowCharts(comparison: Comparison): readonly string[] {
  const drawn = comparison.summaries.filter((one) => (one.pictures?.window.length ?? 0) > 0);
  if (drawn.length === 0) return [];
  const span = spanOfWindows(drawn.map((one) => one.pictures?.window ?? []));
  return drawn.map((one) => windowChart({ title: one.policy, jobs: [...(one.pictures?.window ?? [])].sort((a, b) => a.arrived - b.arrived), span }));
}

function curvesOf(comparison: Comparison, points: (summary: PolicySummary) => Curve): readonly ChartSeries[] {
  const series = comparison.summaries.map((one, colour) => ({ name: one.policy, points: points(one), colour })).filter((one) => one.points.length > 0);
  // A curve that lies on another is dashed, so that both are seen.
  return series.map((one, index) => ({ ...one, isReference: series.slice(0, index).some((other) => isSame(one.points, other.points)) }));
}

function isSame(one: Curve, other: Curve): boolean {
  return one.length === other.length && one.every(([x, y], index) => x === other[index]?.[0] && y === other[index]?.[1]);
}
