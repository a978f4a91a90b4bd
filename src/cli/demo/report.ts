import { paint, table } from '../output.ts';
import type { Second } from './meter.ts';
import type { RowResult } from './row.ts';

export interface DemoReport {
  readonly startedAt: string;
  readonly machine: string;
  readonly ratePerSecond: number;
  /** What was asked for; more than `ratePerSecond` where the machine did not serve it even while nothing happened. */
  readonly wantedPerSecond: number;
  readonly rows: readonly RowResult[];
  readonly seconds: readonly Second[];
  /** When each row began, in seconds from the start of the load. */
  readonly marks: readonly { readonly second: number; readonly title: string }[];
  readonly holds: boolean;
}

const seconds = (ms: number | undefined) => (ms === undefined ? '–' : `${(ms / 1_000).toFixed(2)} s`);
const millis = (ms: number) => (ms < 10 ? ms.toFixed(1) : ms.toFixed(0));

/** `1000 requests/s`, and why it is less than what was asked for. */
function rateText({ ratePerSecond, wantedPerSecond }: DemoReport): string {
  const why = ratePerSecond === wantedPerSecond ? '' : `, because this machine did not serve ${wantedPerSecond} even while nothing happened`;
  return `${ratePerSecond} requests/s${why}`;
}

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
    '',
    `${report.holds ? 'It holds' : 'It does not hold'} at ${rateText(report)}.`,
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
<p>The shop under ${htmlOf(rateText(report))} (GET and POST, keep-alive, open loop), ${htmlOf(report.startedAt)}, ${htmlOf(report.machine)}.</p>
<div class="scroll"><table><tr><th></th><th>what happens</th><th>requests</th><th>failed</th><th>p50 ms</th><th>p99 ms</th><th>worst ms</th><th>detected</th><th>recovered</th><th>must be</th></tr>
${rows}</table></div>
<h2>p99 of each second, ms, logarithmic</h2>${chart(report, { heightOf: (second) => second.p99Ms, colour: 'var(--ink)', logarithmic: true })}
<h2>Failed requests in each second</h2>${chart(report, { heightOf: (second) => second.failed, colour: 'var(--bad)', logarithmic: false })}
</body></html>
`;
}

interface Bars {
  readonly heightOf: (second: Second) => number;
  readonly colour: string;
  readonly logarithmic: boolean;
}

const WIDTH = 1_100;
const HEIGHT = 190;
const LEFT = 40;
const TOP = 40;

/** Bars over time with the moments at which something was done. */
function chart({ seconds: all, marks }: DemoReport, { heightOf, colour, logarithmic }: Bars): string {
  const highest = Math.max(1, ...all.map(heightOf));
  const share = (value: number) => (logarithmic ? Math.log10(1 + value) / Math.log10(1 + highest) : value / highest);
  const y = (value: number) => HEIGHT - share(value) * (HEIGHT - TOP);
  const step = (WIDTH - LEFT) / Math.max(1, all.length);
  const bars = all
    .map((second, index) => {
      const top = y(heightOf(second));
      return `<rect x="${(LEFT + index * step).toFixed(1)}" y="${top.toFixed(1)}" width="${Math.max(1, step - 0.5).toFixed(1)}" height="${(HEIGHT - top).toFixed(1)}" fill="${colour}"/>`;
    })
    .join('');
  const lines = marks
    .map(({ second, title }, index) => {
      const x = (LEFT + second * step).toFixed(1);
      const textY = 10 + 11 * (index % 3);
      return `<line x1="${x}" x2="${x}" y1="${textY}" y2="${HEIGHT}" stroke="var(--soft)" stroke-dasharray="2 3"/><text x="${Number(x) + 3}" y="${textY}">${htmlOf(title)}</text>`;
    })
    .join('');
  const scale = (logarithmic ? [1, 10, 100, 1_000, 10_000].filter((value) => value < highest) : [])
    .concat(highest)
    .map((value) => `<text x="0" y="${y(value).toFixed(1)}">${value.toFixed(0)}</text>`)
    .join('');
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT + 4}" role="img">${bars}${lines}${scale}</svg>`;
}

function htmlOf(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
