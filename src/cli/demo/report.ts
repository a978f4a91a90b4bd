import { paint, table } from '../output.ts';
import type { Second } from './meter.ts';
import type { RowResult } from './row.ts';

export interface DemoReport {
  readonly startedAt: string;
  readonly machine: string;
  readonly ratePerSecond: number;
  readonly rows: readonly RowResult[];
  readonly seconds: readonly Second[];
  /** When each row began, in seconds from the start of the load. */
  readonly marks: readonly { readonly second: number; readonly title: string }[];
  readonly holds: boolean;
}

const seconds = (ms: number | undefined) => (ms === undefined ? '–' : `${(ms / 1_000).toFixed(2)} s`);
const millis = (ms: number) => (ms < 10 ? ms.toFixed(1) : ms.toFixed(0));

/** The table people see at the end, with reasons below it. */
export function reportLines(report: DemoReport): string[] {
  const rows = report.rows.map((row) => [
    row.breaches.length === 0 ? paint('green', '✔') : paint('red', '✘'),
    row.title,
    String(row.requests),
    failedText(row),
    millis(row.p50Ms),
    millis(row.p99Ms),
    seconds(row.detectMs),
    seconds(row.recoverMs),
    row.must,
  ]);
  const details = report.rows.flatMap((row) => [
    ...(row.notes ?? []).map((note) => `  ${row.title}: ${note}`),
    ...row.reasons.slice(0, 3).map((reason) => `  ${row.title}: ${reason}`),
    ...row.breaches.map((breach) => paint('red', `  ${row.title}: does not hold: ${breach}`)),
  ]);
  return [
    table(['', 'what happens', '>requests', '>failed', '>p50 ms', '>p99 ms', '>detected', '>recovered', 'must be'], rows),
    ...(details.length > 0 ? ['', ...details] : []),
  ];
}

function failedText({ failedGets, failedPosts, sentPosts }: RowResult): string {
  if (failedGets + failedPosts === 0) return '0';
  const posts = failedPosts === 0 ? '' : `${failedPosts} POST${sentPosts === failedPosts ? ' (sent)' : ''}`;
  return [failedGets === 0 ? '' : `${failedGets} GET`, posts].filter((text) => text !== '').join(', ');
}

/** One self-contained page: verdicts, the table, and what clients saw second by second. */
export function reportHtml(report: DemoReport): string {
  const rows = report.rows
    .map(
      (row) => `<tr class="${row.breaches.length === 0 ? 'holds' : 'fails'}"><td>${row.breaches.length === 0 ? '✔' : '✘'}</td><td>${htmlOf(row.title)}
<small>${[...(row.notes ?? []), ...row.reasons.slice(0, 3), ...row.breaches].map(htmlOf).join('<br>')}</small></td><td>${row.requests}</td><td>${htmlOf(failedText(row))}</td>
<td>${millis(row.p50Ms)}</td><td>${millis(row.p99Ms)}</td><td>${millis(row.worstMs)}</td><td>${seconds(row.detectMs)}</td><td>${seconds(row.recoverMs)}</td><td>${htmlOf(row.must)}</td></tr>`,
    )
    .join('\n');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Haven demo: ${report.holds ? 'it holds' : 'it does not hold'}</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; --line: light-dark(#ddd, #444); --ink: light-dark(#0a6e5c, #4cc9ad); --bad: light-dark(#b3261e, #ff8a80); --soft: light-dark(#888, #999); }
  body { max-width: 75rem; margin: 0 auto; padding: 1.5rem; } table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
  td:nth-child(n+3):nth-child(-n+9), th:nth-child(n+3):nth-child(-n+9) { text-align: right; font-variant-numeric: tabular-nums; } small { display: block; color: var(--soft); }
  .holds td:first-child { color: var(--ink); } .fails td:first-child, .fails td:nth-child(4) { color: var(--bad); font-weight: 600; } svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 11px; }
  .scroll { overflow-x: auto; }
</style></head><body>
<h1>${report.holds ? 'It holds' : 'It does not hold'}</h1>
<p>The shop under ${report.ratePerSecond} requests per second (GET and POST, keep-alive, open loop), ${htmlOf(report.startedAt)}, ${htmlOf(report.machine)}.</p>
<div class="scroll"><table><tr><th></th><th>what happens</th><th>requests</th><th>failed</th><th>p50 ms</th><th>p99 ms</th><th>worst ms</th><th>detected</th><th>recovered</th><th>must be</th></tr>
${rows}</table></div>
<h2>p99 of each second, ms</h2>${chart(report, (second) => second.p99Ms, 'var(--ink)')}
<h2>Failed requests in each second</h2>${chart(report, (second) => second.failed, 'var(--bad)')}
</body></html>
`;
}

/** Bars over time with the moments at which something was done. */
function chart({ seconds: all, marks }: DemoReport, heightOf: (second: Second) => number, colour: string): string {
  const width = 1_100;
  const height = 180;
  const left = 40;
  const highest = Math.max(1, ...all.map(heightOf));
  const x = (second: number) => left + (second / Math.max(1, all.length)) * (width - left);
  const barWidth = Math.max(1, (width - left) / Math.max(1, all.length) - 0.5);
  const bars = all
    .map((second, index) => {
      const barHeight = (heightOf(second) / highest) * (height - 30);
      return `<rect x="${x(index).toFixed(1)}" y="${(height - barHeight).toFixed(1)}" width="${barWidth.toFixed(1)}" height="${barHeight.toFixed(1)}" fill="${colour}"/>`;
    })
    .join('');
  const lines = marks
    .map(
      ({ second, title }, index) =>
        `<line x1="${x(second)}" x2="${x(second)}" y1="12" y2="${height}" stroke="var(--soft)" stroke-dasharray="2 3"/><text x="${x(second) + 3}" y="${index % 2 === 0 ? 10 : 22}">${htmlOf(title)}</text>`,
    )
    .join('');
  return `<svg viewBox="0 0 ${width} ${height + 4}" role="img">${bars}${lines}<text x="0" y="40">${highest.toFixed(0)}</text><text x="0" y="${height}">0</text></svg>`;
}

function htmlOf(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
