import { PlatformError } from '#base/errors';
import type { CsvRow } from './csv.ts';
import { isLimit, scenarioOfRow } from './reference-scenario.ts';
import type { Scenario } from './scenario.ts';

/** One row of a reference file: what theory says about one metric of one queue. */
export interface ReferenceRow {
  readonly line: number;
  readonly policy: string;
  readonly distribution: string;
  readonly params: string;
  readonly rho: number;
  readonly metric: string;
  readonly value: number;
}

/** Rows that one simulation answers. */
export interface ReferenceGroup {
  readonly rows: readonly ReferenceRow[];
  /** Undefined with the reason when the lab cannot simulate it. */
  readonly scenario: Scenario | undefined;
  readonly problem: string;
}

export interface ReferenceVerdict {
  readonly row: ReferenceRow;
  readonly verdict: 'pass' | 'fail' | 'unsupported' | 'shown';
  readonly measured: number;
  readonly halfWidth: number;
  /** |measured - value| / |value|; the plain difference when the value is 0. */
  readonly deviation: number;
  readonly tolerance: number;
  readonly note: string;
}

const COLUMNS = ['policy', 'distribution', 'params', 'rho', 'metric', 'value'] as const;

/** Reads the rows of a reference file. INVALID names a missing column or the line of a bad number. */
export function referenceRows(rows: readonly CsvRow[]): readonly ReferenceRow[] {
  return rows.map(({ line, cells }) => {
    for (const column of COLUMNS)
      if (cells[column] === undefined) throw new PlatformError('INVALID', `Cannot read line ${line}, because column "${column}" is missing`, { line, column });
    const [rho, value] = [Number(cells['rho']), Number(cells['value'])];
    if (!Number.isFinite(value) || !Number.isFinite(rho))
      throw new PlatformError('INVALID', `Cannot read line ${line}, because rho "${cells['rho']}" or value "${cells['value']}" is not a number`, { line });
    const text = (column: string): string => cells[column] ?? '';
    return { line, policy: text('policy'), distribution: text('distribution'), params: text('params'), rho, metric: text('metric'), value };
  });
}

/** Groups rows by the simulation that answers them, in order of first appearance. */
export function groupReferenceRows(rows: readonly ReferenceRow[], options: { readonly jobs: number; readonly seed: number }): readonly ReferenceGroup[] {
  const groups = new Map<string, ReferenceRow[]>();
  for (const row of rows) {
    // Limits and "any number of servers" leave the load to a column of its own.
    const key = `${row.policy}|${row.distribution}|${row.params}|${isLimit(row) || /any/.test(row.params) ? row.rho : ''}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].map((group) => {
    try {
      return { rows: group, scenario: scenarioOfRow(group[0] as ReferenceRow, options), problem: '' };
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      return { rows: group, scenario: undefined, problem: error.message };
    }
  });
}

/** Largest relative deviation of a mean, and of a percentile at loads up to 0.8, that passes even outside the confidence interval. */
const MEAN_TOLERANCE = 0.015;
const PERCENTILE_TOLERANCE = 0.05;
const PERCENTILE_LOAD = 0.8;
/** Below this, a reference of zero is met. */
const ABSOLUTE_TOLERANCE = 0.0005;

/** Judges one row: means within max(3 CI, 1.5 %), variances within max(3 CI, 5 %), percentiles within 5 % at loads up to 0.8 and shown above that. */
export function judge(row: ReferenceRow, measured: { readonly value: number; readonly halfWidth: number } | undefined): ReferenceVerdict {
  if (measured === undefined) {
    return {
      row,
      verdict: 'unsupported',
      measured: Number.NaN,
      halfWidth: 0,
      deviation: Number.NaN,
      tolerance: 0,
      note: `the lab has no metric "${row.metric}"`,
    };
  }
  const scale = Math.abs(row.value);
  const difference = Math.abs(measured.value - row.value);
  const deviation = scale === 0 ? difference : difference / scale;
  const intervals = scale === 0 ? 3 * measured.halfWidth : (3 * measured.halfWidth) / scale;
  const isPercentile = /^p[\d.]+_/.test(row.metric);
  const own = isPercentile ? PERCENTILE_TOLERANCE : Math.max(intervals, isMeanRow(row) ? MEAN_TOLERANCE : PERCENTILE_TOLERANCE);
  const tolerance = scale === 0 ? Math.max(ABSOLUTE_TOLERANCE, intervals) : own;
  const isInside = deviation <= tolerance || difference <= ABSOLUTE_TOLERANCE * Math.max(1e-9, scale);
  const note = isPercentile && row.rho > PERCENTILE_LOAD + 1e-9 ? 'percentile above load 0.8' : '';
  const verdict = isInside ? 'pass' : note === '' ? 'fail' : 'shown';
  return { row, verdict, measured: measured.value, halfWidth: measured.halfWidth, deviation, tolerance, note };
}

/** Whether a row counts among the means, which have the stricter rule. */
export function isMeanRow(row: ReferenceRow): boolean {
  return !/^(p[\d.]+|var)_/.test(row.metric);
}
