import type { Comparison } from '../compare.ts';
import type { Measure } from '../compare-measures.ts';
import { MEASURES, printSpread, printValue } from '../compare-measures.ts';
import { unstableWords, wordsOf } from '../compare-words.ts';
import { queueChart, responseChart, sizeChart, slowdownTailChart, waitChart, windowCharts } from './comparison-charts.ts';
import { page } from './page.ts';
import { element, escapeText } from './svg.ts';
import { fillClass } from './theme.ts';

/** A comparison as one self-contained HTML page. */
export function comparisonPage(comparison: Comparison): string {
  const runs = comparison.summaries[0]?.runs.length ?? 0;
  const sampling = comparison.sampling === 'seeds' ? `${runs} seeds` : `the trace and ${Math.max(0, runs - 1)} resamples of it`;
  const facts = [
    comparison.workload,
    `${comparison.workers} ${comparison.workers === 1 ? 'worker' : 'workers'}`,
    ...(comparison.load === undefined ? [] : [`load ${comparison.load.toFixed(3)} per worker`]),
    sampling,
  ];
  const charts = [responseChart, waitChart, slowdownTailChart, sizeChart, queueChart];
  const windows = windowCharts(comparison);
  return page({
    title: 'Scheduling policies compared',
    facts,
    sections: [
      ...unstableWords(comparison).map((words) => ({ title: 'Unstable', body: element('p', { class: 'warning' }, escapeText(words)) })),
      { title: 'Where each wins and loses', body: verdicts(comparison) },
      { title: 'Figures', body: figures(comparison) },
      { title: 'Distributions', body: `${legend(comparison)}<div class="charts">${charts.map((chart) => figure(chart(comparison, true))).join('')}</div>` },
      ...(windows.length === 0
        ? []
        : [
            {
              title: 'The same jobs under each policy',
              body: `<p>A line per job, in order of arrival. Dots: it waits. Bar: it is served, coloured by worker.</p><div class="charts">${windows.map(figure).join('')}</div>`,
            },
          ]),
      { title: 'Tenants', body: tenants(comparison) },
    ],
  });
}

function verdicts(comparison: Comparison): string {
  const unstable = new Set(unstableWords(comparison));
  const words = wordsOf(comparison).filter((sentence) => !unstable.has(sentence));
  return `<ul class="words">${words.map((sentence) => element('li', {}, escapeText(sentence))).join('')}</ul>`;
}

function legend(comparison: Comparison): string {
  const names = comparison.summaries.map(
    (summary, index) =>
      `<span class="key"><svg width="14" height="14" aria-hidden="true">${element('rect', { class: fillClass(index), x: 1, y: 1, width: 12, height: 12, rx: 3 })}</svg>${escapeText(summary.policy)}</span>`,
  );
  return `<p class="legend">${names.join('')}</p>`;
}

function figure(chart: string): string {
  return `<figure>${chart}</figure>`;
}

function figures(comparison: Comparison): string {
  const head = ['policy', ...MEASURES.map((measure) => measure.short)];
  const rows = comparison.summaries.map((summary) => [
    cell(summary.policy, summary.policy),
    ...MEASURES.map((measure) => {
      const interval = summary.metrics[measure.key] ?? { value: Number.NaN, halfWidth: 0 };
      return cell(
        printValue(interval.value, measure.unit),
        interval.value,
        printSpread(interval).trim(),
        isBest(comparison, { measure, value: interval.value }),
      );
    }),
  ]);
  return sortable(
    head,
    rows,
    MEASURES.map((measure) => measure.label),
  );
}

function isBest(comparison: Comparison, { measure, value }: { readonly measure: Measure; readonly value: number }): boolean {
  if (measure.better === 'neither') return false;
  const values = comparison.summaries.map((summary) => summary.metrics[measure.key]?.value ?? Number.NaN);
  const best = measure.better === 'low' ? Math.min(...values) : Math.max(...values);
  return value === best && values.some((other) => Math.abs(other - best) > 0.01 * Math.abs(best));
}

function tenants(comparison: Comparison): string {
  const head = ['policy', 'tenant', 'jobs', 'mean resp', 'p99 resp', 'mean slow', 'share of service'];
  const rows = comparison.summaries.flatMap((summary) =>
    summary.tenants.map((one) => [
      cell(summary.policy, summary.policy),
      cell(one.tenant, one.tenant),
      cell(String(one.jobs), one.jobs),
      cell(printValue(one.meanResponse, 's'), one.meanResponse),
      cell(printValue(one.p99Response, 's'), one.p99Response),
      cell(printValue(one.meanSlowdown, '×'), one.meanSlowdown),
      cell(printValue(one.share, '%'), one.share),
    ]),
  );
  return sortable(head, rows.slice(0, 400), []);
}

function cell(text: string, sorted: string | number, note = '', isMarked = false): string {
  const small = note === '' ? '' : `<small>${escapeText(note)}</small>`;
  return element('td', { 'data-v': String(sorted), class: isMarked ? 'best' : undefined }, escapeText(text), small);
}

function sortable(head: readonly string[], rows: readonly (readonly string[])[], titles: readonly string[]): string {
  const heads = head.map((title, index) => element('th', { title: titles[index - 1] }, `<button type="button">${escapeText(title)}</button>`));
  return `<div class="scroll"><table class="sortable"><thead><tr>${heads.join('')}</tr></thead><tbody>${rows.map((row) => `<tr>${row.join('')}</tr>`).join('')}</tbody></table></div>`;
}
