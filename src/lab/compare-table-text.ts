import type { Comparison } from './compare.ts';
import { MEASURES, printSpread, printValue, SHOWN } from './compare-measures.ts';

/** Head and rows of the table people read first; heads that begin with `>` are aligned right. */
export function comparisonTable(comparison: Comparison): { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] } {
  const columns = SHOWN.flatMap((key) => MEASURES.filter((measure) => measure.key === key));
  return {
    head: ['policy', ...columns.map((measure) => `>${measure.short}`)],
    rows: comparison.summaries.map((summary) => [
      summary.policy,
      ...columns.map((measure) => {
        const interval = summary.metrics[measure.key] ?? { value: Number.NaN, halfWidth: 0 };
        return printValue(interval.value, measure.unit) + printSpread(interval);
      }),
    ]),
  };
}

/** All measures as CSV: a row per policy and measure, in seconds and plain numbers. */
export function comparisonCsv(comparison: Comparison): string {
  const lines = ['policy,metric,unit,value,ci95'];
  for (const summary of comparison.summaries) {
    for (const [name, { value, halfWidth }] of Object.entries(summary.metrics)) {
      const unit = MEASURES.find((measure) => measure.key === name)?.unit ?? '';
      const plain = unit === '%' || unit === '×' ? '1' : unit === '/s' ? '1/s' : unit;
      lines.push([quoted(summary.policy), name, plain, String(value), String(halfWidth)].join(','));
    }
  }
  return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
