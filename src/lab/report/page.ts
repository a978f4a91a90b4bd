import { element, escapeText } from './svg.ts';
import { themeStyle } from './theme.ts';

export interface PageSection {
  readonly title: string;
  /** HTML. */
  readonly body: string;
}

const STYLE = `
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0;background:var(--surface);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1360px;margin:0 auto;padding:28px 24px 60px}
h1{font-size:26px;margin:0 0 4px}
h2{font-size:18px;margin:34px 0 10px}
.facts{color:var(--soft);margin:0}
.warning{border-left:4px solid var(--s3);padding:8px 14px;background:var(--panel)}
.words{margin:0;padding-left:20px;max-width:110ch}
.words li{margin:5px 0}
.scroll{overflow-x:auto;border:1px solid var(--grid);border-radius:8px;background:var(--panel)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:13px}
th,td{padding:6px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--panel)}
tbody tr:last-child td{border-bottom:0}
th button{all:unset;cursor:pointer;color:var(--soft);font-weight:600}
th button:focus-visible{outline:2px solid var(--s0)}
th[aria-sort=ascending] button::after{content:" ↑"}
th[aria-sort=descending] button::after{content:" ↓"}
td small{display:block;color:var(--faint);font-size:11px}
td.best{font-weight:700}
.legend{display:flex;flex-wrap:wrap;gap:6px 18px;margin:0 0 10px;color:var(--soft)}
.key{display:inline-flex;align-items:center;gap:6px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,560px),1fr));gap:16px}
figure{margin:0;padding:12px;overflow-x:auto;border:1px solid var(--grid);border-radius:8px;background:var(--panel)}
figure svg{width:100%;min-width:500px;height:auto;display:block}
footer{margin-top:36px;color:var(--faint);font-size:13px}
`;

// Sorts a table by the clicked column; a second click turns the order around.
const SCRIPT = `
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.querySelectorAll('th')];
  heads.forEach((head, column) => head.addEventListener('click', () => {
    const up = head.getAttribute('aria-sort') !== 'ascending';
    heads.forEach((other) => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const value = (row) => row.children[column].dataset.v;
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    });
    body.append(...rows);
  }));
}
`;

/** One self-contained HTML file: style, pictures and the little script are inside, nothing is loaded. */
export function page(input: { readonly title: string; readonly facts: readonly string[]; readonly sections: readonly PageSection[] }): string {
  const sections = input.sections.map((section) => element('section', {}, element('h2', {}, escapeText(section.title)), section.body));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeText(input.title)}</title>
<style>${themeStyle(':root')}${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeText(input.title)}</h1>
<p class="facts">${input.facts.map(escapeText).join(' · ')}</p>
${sections.join('\n')}
<footer>Made by haven lab compare. ± is the 95 % confidence interval; bold is best where policies differ by more than 1 %. Times are in the units shown; slowdown is response divided by size.</footer>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
