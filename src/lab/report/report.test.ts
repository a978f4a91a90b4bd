import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summarise } from '../compare.ts';
import { runCompared } from '../compare-run.ts';
import { classesOfWorkload } from '../compare-workload.ts';
import { comparisonPage } from './comparison-page.ts';
import { comparisonSvg } from './comparison-svg.ts';
import { makeScale } from './scale.ts';
import { element, escapeText } from './svg.ts';
import { printTick } from './ticks.ts';

function comparison() {
  const classes = classesOfWorkload('exp?load=0.8', { workers: 2 });
  const summaries = ['fifo', 'srpt'].flatMap((policy) => {
    const runs = [1, 2].map((seed) => runCompared({ scenario: { policy, classes, workers: 2, jobs: 3_000, warmup: 300, seed }, isDetailed: seed === 1 }));
    return summarise(runs, 'seeds') ?? [];
  });
  return { workload: '<b>exp & co</b>', sampling: 'seeds' as const, workers: 2, load: 0.8, isUnstable: false, hasExactEstimates: true, summaries };
}

test('the report is one file: nothing is loaded, light and dark are both there, names are escaped', () => {
  const html = comparisonPage(comparison());
  assert.doesNotMatch(html, /(?:src|href)="|url\(|@import/);
  assert.match(html, /prefers-color-scheme:dark/);
  assert.match(html, /&lt;b&gt;exp &amp; co&lt;\/b&gt;/);
  assert.doesNotMatch(html, /<b>exp|[>"]NaN|undefined/);
  assert.equal(html.split('<figure>').length - 1, 5 + 2, 'five charts and a window for each policy');
  assert.match(html, /<table class="sortable">/);
});

test('every element of a picture is closed', () => {
  const svg = comparisonSvg(comparison());
  const open: string[] = [];
  for (const [, slash, name, , self] of svg.matchAll(/<(\/?)([a-z]+)((?:\s[^>]*?)?)(\/?)>/g)) {
    if (slash === '/') assert.equal(open.pop(), name);
    else if (self !== '/') open.push(name ?? '');
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(svg, /NaN|Infinity/);
});

test('the same comparison gives the same bytes', () => {
  assert.equal(comparisonPage(comparison()), comparisonPage(comparison()));
});

test('scales put ticks on round values inside their domain', () => {
  assert.deepEqual(makeScale({ kind: 'linear', domain: [0, 1], range: [0, 100] }).ticks, [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(makeScale({ kind: 'log', domain: [1, 1_000], range: [0, 300] }).ticks, [1, 10, 100, 1_000]);
  assert.deepEqual(
    makeScale({ kind: 'log', domain: [0.5, 30], range: [0, 300] }).ticks,
    [0.5, 1, 2, 5, 10, 20].filter((tick) => [1, 10].includes(tick)),
  );
  const log = makeScale({ kind: 'log', domain: [1, 100], range: [0, 200] });
  assert.ok(Math.abs(log.at(10) - 100) < 1e-6);
  assert.equal(log.at(0), 0);
  assert.ok(Math.abs(log.at(1e9) - 200) < 1e-6);
});

test('text is escaped, and ticks carry their unit', () => {
  assert.equal(element('text', { x: 1.26, title: '"a"' }, escapeText('a<b')), '<text x="1.3" title="&quot;a&quot;">a&lt;b</text>');
  assert.deepEqual(
    [0, 0.0002, 0.25, 90, 25_000].map((value) => printTick(value, 's')),
    ['0', '200 µs', '250 ms', '90 s', '25k s'],
  );
});
