import type { Interval } from './compare-interval.ts';

/** One measured quantity: what it is called, its unit, and which direction is good. */
export interface Measure {
  readonly key: string;
  /** To end the sentence "it is best in …". */
  readonly label: string;
  /** Head of a narrow column. */
  readonly short: string;
  readonly unit: 's' | '×' | '%' | '/s' | '';
  readonly better: 'low' | 'high' | 'neither';
  /** Whether wins and losses are told from it. Several, so that no policy is judged by its mean. */
  readonly isJudged: boolean;
}

const time = (key: string, label: string, short: string, isJudged = false): Measure => ({ key, label, short, unit: 's', better: 'low', isJudged });
const ratio = (key: string, label: string, short: string, isJudged = false): Measure => ({ key, label, short, unit: '×', better: 'low', isJudged });

/** Every measure of a comparison, in the order they are shown. Times in seconds. */
export const MEASURES: readonly Measure[] = [
  time('mean_response', 'mean response', 'mean resp', true),
  time('p50_response', 'median response', 'p50 resp', true),
  time('p95_response', '95th percentile of response', 'p95 resp'),
  time('p99_response', '99th percentile of response', 'p99 resp', true),
  time('mean_wait', 'mean wait', 'mean wait'),
  time('p50_wait', 'median wait', 'p50 wait'),
  time('p95_wait', '95th percentile of wait', 'p95 wait'),
  time('p99_wait', '99th percentile of wait', 'p99 wait'),
  ratio('mean_slowdown', 'mean slowdown', 'mean slow', true),
  ratio('p50_slowdown', 'median slowdown', 'p50 slow'),
  ratio('p95_slowdown', '95th percentile of slowdown', 'p95 slow'),
  ratio('p99_slowdown', '99th percentile of slowdown', 'p99 slow', true),
  ratio('max_slowdown', 'worst slowdown', 'max slow'),
  ratio('mean_bounded_slowdown', 'mean bounded slowdown', 'mean bsld'),
  ratio('p50_bounded_slowdown', 'median bounded slowdown', 'p50 bsld'),
  ratio('p95_bounded_slowdown', '95th percentile of bounded slowdown', 'p95 bsld'),
  ratio('p99_bounded_slowdown', '99th percentile of bounded slowdown', 'p99 bsld'),
  ratio('largest_slowdown', 'slowdown of the largest 1 % of jobs', 'largest 1 %', true),
  time('max_response', 'longest response', 'max resp', true),
  { key: 'jain_fairness', label: 'fairness among tenants (Jain)', short: 'Jain', unit: '', better: 'high', isJudged: true },
  { key: 'interruptions_per_job', label: 'interruptions per job', short: 'interr/job', unit: '', better: 'low', isJudged: true },
  { key: 'overhead_fraction', label: 'part of time spent switching', short: 'overhead', unit: '%', better: 'low', isJudged: true },
  { key: 'throughput', label: 'throughput', short: 'jobs/s', unit: '/s', better: 'high', isJudged: false },
  { key: 'utilisation', label: 'utilisation', short: 'util', unit: '%', better: 'neither', isJudged: false },
  time('makespan', 'makespan', 'makespan', true),
];

/** The columns of the table in a terminal. */
export const SHOWN = [
  'mean_response',
  'p50_response',
  'p99_response',
  'mean_wait',
  'mean_slowdown',
  'p99_slowdown',
  'largest_slowdown',
  'jain_fairness',
  'interruptions_per_job',
  'utilisation',
] as const;

/** A value with the digits a reader can use: `2.353 s`, `812 ms`, `1.4 h`, `41.2 %`. */
export function printValue(value: number, unit: Measure['unit']): string {
  if (!Number.isFinite(value)) return '–';
  if (unit === '%') return `${(100 * value).toFixed(1)} %`;
  if (unit === 's') return printSeconds(value);
  return unit === '' ? digits(value) : `${digits(value)}${unit === '×' ? '×' : unit}`;
}

/** Half the width of an interval as a part of its value: ` ±3.1%`; empty when it is unknown or nothing. */
export function printSpread({ value, halfWidth }: Interval): string {
  const part = value === 0 ? 0 : Math.abs(halfWidth / value);
  if (!(part >= 0.0005)) return '';
  return ` ±${part < 0.1 ? (100 * part).toFixed(1) : (100 * part).toFixed(0)}%`;
}

/** `812 ms`, `2.353 s`, `4.10 min`, `1.40 h`. */
export function printSeconds(seconds: number): string {
  if (seconds === 0) return '0 s';
  if (seconds < 0.001) return `${digits(seconds * 1e6)} µs`;
  if (seconds < 1) return `${digits(seconds * 1e3)} ms`;
  if (seconds < 600) return `${digits(seconds)} s`;
  if (seconds < 7_200) return `${digits(seconds / 60)} min`;
  return seconds < 360_000 ? `${digits(seconds / 3_600)} h` : `${digits(seconds / 86_400)} d`;
}

function digits(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 100_000) return value.toPrecision(3);
  return size >= 1_000
    ? value.toFixed(0)
    : value
        .toPrecision(4)
        .replace(/(\.\d*?)0+$/, '$1')
        .replace(/\.$/, '');
}
