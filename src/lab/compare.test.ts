import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Comparison } from './compare.ts';
import { differenceOf, dominatedPolicies, standingsOf, summarise } from './compare.ts';
import { intervalOfRuns, intervalOfTrace } from './compare-interval.ts';
import { printSeconds, printSpread, printValue } from './compare-measures.ts';
import type { ComparedRun } from './compare-run.ts';
import { runCompared } from './compare-run.ts';
import { loadOfTable, resampleTable, spanOf, tableOfJobs } from './compare-table.ts';
import { comparisonCsv, comparisonTable } from './compare-table-text.ts';
import { wordsOf } from './compare-words.ts';
import { classesOfWorkload } from './compare-workload.ts';
import type { ListedJob } from './job-source.ts';
import { RandomStream } from './random-stream.ts';

const SECOND = 1_000_000;

function scenarioOf(
  policy: string,
  seed: number,
  options: { readonly load?: number; readonly jobs?: number; readonly workers?: number } = {},
): ComparedRun['scenario'] {
  const { load = 0.8, jobs = 6_000, workers = 1 } = options;
  return { policy, classes: classesOfWorkload(`h2?mean=1&scv=10&load=${load}`, { workers }), workers, jobs, warmup: jobs / 10, seed };
}

function comparisonOf(policies: readonly string[], options: { readonly load?: number } = {}): Comparison {
  const load = options.load ?? 0.8;
  return {
    workload: 'h2',
    sampling: 'seeds',
    workers: 1,
    load,
    isUnstable: load >= 1,
    hasExactEstimates: true,
    summaries: policies.flatMap((policy) => {
      const summary = summarise(
        [1, 2, 3].map((seed) => runCompared({ scenario: scenarioOf(policy, seed, { load }) })),
        'seeds',
      );
      return summary === undefined ? [] : [summary];
    }),
  };
}

function bursty(jobs: number): readonly ListedJob[] {
  const luck = new RandomStream(3, 'bursty');
  return Array.from({ length: jobs }, (_, index) => ({ at: Math.floor(index / 10) * 20 * SECOND + luck.integer(SECOND), size: SECOND + luck.integer(SECOND) }));
}

test('a run measures what theory says of first come, first served and of shortest remaining time', () => {
  const classes = classesOfWorkload('exp?mean=1&load=0.5', { workers: 1 });
  const measured = (policy: string): number =>
    runCompared({ scenario: { policy, classes, workers: 1, jobs: 30_000, warmup: 3_000, seed: 1 } }).metrics['mean_response']?.value ?? 0;
  assert.ok(Math.abs(measured('fifo') - 2) < 0.1, `fifo ${measured('fifo')}`);
  assert.ok(Math.abs(measured('ps') - 2) < 0.1, `ps ${measured('ps')}`);
  assert.ok(measured('srpt') < 1.5, `srpt ${measured('srpt')}`);
});

test('what pictures need is recorded only when asked for, and adds up', () => {
  const plain = runCompared({ scenario: scenarioOf('time-slice?quantum=500ms', 1) });
  const detailed = runCompared({ scenario: scenarioOf('time-slice?quantum=500ms', 1), isDetailed: true });
  assert.equal(plain.pictures, undefined);
  assert.deepEqual(detailed.metrics, plain.metrics);
  const { pictures } = detailed;
  assert.ok(pictures !== undefined);
  assert.equal(pictures.responses.at(-1)?.[1], 1);
  assert.equal(pictures.window.length, 24);
  const areas = pictures.queue.map(([, inSystem]) => inSystem);
  const mean = areas.reduce((sum, value) => sum + value, 0) / areas.length;
  const expected = detailed.metrics['mean_number_in_system']?.value ?? 0;
  assert.ok(Math.abs(mean / expected - 1) < 0.15, `${mean} against ${expected}`);
  for (const job of pictures.window) for (const [from, to] of job.slices) assert.ok(from >= job.arrived && to > from && to <= job.finished);
});

test('size bins and tenants count every measured job once', () => {
  const scenario = scenarioOf('fifo', 1);
  const classes = classesOfWorkload('exp?load=0.7', {
    workers: 1,
    tenants: [
      { name: 'a', weight: 3 },
      { name: 'b', weight: 1 },
    ],
  });
  const run = runCompared({ scenario: { ...scenario, classes } });
  const measured = scenario.jobs - scenario.warmup;
  assert.equal(
    run.sizes.reduce((sum, bin) => sum + bin.count, 0),
    measured,
  );
  assert.equal(
    run.tenants.reduce((sum, tenant) => sum + tenant.jobs, 0),
    measured,
  );
  assert.ok(Math.abs(run.tenants.reduce((sum, tenant) => sum + tenant.share, 0) - 1) < 1e-9);
});

test('differences are taken in pairs, so that a small one is clear in spite of noisy means', () => {
  const { summaries, sampling } = comparisonOf(['fifo', 'srpt']);
  const [fifo, srpt] = summaries;
  assert.ok(fifo !== undefined && srpt !== undefined);
  const difference = differenceOf(fifo, srpt, { key: 'mean_response', sampling });
  assert.ok(difference.isClear && difference.value < -0.5 && difference.smaller === 1);
  assert.equal(differenceOf(fifo, fifo, { key: 'mean_response', sampling }).isClear, false);
});

test('words tell wins and losses in several measures, twins, gifts and no single winner', () => {
  const comparison = comparisonOf(['fifo', 'round-robin', 'srpt', 'time-slice?quantum=200ms']);
  const words = wordsOf(comparison);
  assert.match(words[0] ?? '', /^fifo wins in .*interruptions per job.*; it loses in .*mean response/);
  assert.equal(words[1], 'round-robin did exactly what fifo did here.');
  assert.match(words[2] ?? '', /^srpt wins in mean response/);
  assert.ok(words.some((sentence) => sentence.includes('was told the true sizes')));
  assert.match(words.at(-1) ?? '', /^No policy is best in everything/);
  assert.ok(standingsOf(comparison).length >= 4);
  assert.ok(dominatedPolicies(comparison).every(([worse]) => worse.policy !== 'srpt'));
});

test('a load of one or more is said to be unstable, with what will be seen', () => {
  const words = wordsOf(comparisonOf(['fifo'], { load: 1.05 }));
  assert.match(words[0] ?? '', /load is 1\.050 per worker, which is unstable: jobs arrive faster .* times that grow with the length of the run/);
  assert.ok(wordsOf(comparisonOf(['fifo'])).every((sentence) => !sentence.includes('unstable')));
});

test('a policy that failed is judged in nothing', () => {
  const comparison = comparisonOf(['fifo', 'srpt']);
  const broken = { ...comparison, summaries: comparison.summaries.map((one, index) => (index === 1 ? { ...one, fallback: 'it threw' } : one)) };
  assert.deepEqual(standingsOf(broken), []);
  assert.ok(wordsOf(broken).some((sentence) => sentence.startsWith('srpt failed and was replaced')));
});

test('a resample keeps the span, the sizes and about the number of jobs of its trace, and differs by seed', () => {
  const table = tableOfJobs('bursty', bursty(4_000));
  const resample = resampleTable(table, 7);
  assert.ok(Math.abs(resample.jobs / table.jobs - 1) < 0.05, `${resample.jobs} jobs`);
  assert.ok(spanOf(resample) <= spanOf(table) * 1.02);
  assert.ok(
    resample.at.every((at, index) => index === 0 || at >= (resample.at[index - 1] ?? 0)),
    'sorted',
  );
  const sizes = new Set(table.size);
  assert.ok(resample.size.every((size) => sizes.has(size)));
  assert.deepEqual(resampleTable(table, 7), resample);
  assert.notDeepEqual(resampleTable(table, 8).at, resample.at);
  assert.ok(Math.abs(loadOfTable(resample, 1) / loadOfTable(table, 1) - 1) < 0.1);
});

test('a trace is its own value, and its resamples are the interval', () => {
  const table = tableOfJobs('bursty', bursty(2_000));
  const runs = [0, 1, 2, 3].map((seed) => runCompared({ scenario: { ...scenarioOf('fifo', seed), classes: [] }, table, isResampled: seed > 0 }));
  const summary = summarise(runs, 'trace');
  assert.equal(summary?.metrics['mean_response']?.value, runs[0]?.metrics['mean_response']?.value);
  assert.ok((summary?.metrics['mean_response']?.halfWidth ?? 0) > 0);
  assert.equal(runs[0]?.metrics['jobs']?.value, 2_000);
});

test('intervals over runs are the wider of batches and seeds; one run of a trace has none', () => {
  const spread = intervalOfRuns([1, 2, 3].map((value) => ({ value, halfWidth: 0.1 })));
  assert.equal(spread.value, 2);
  assert.ok(Math.abs(spread.halfWidth - (4.303 * 1) / Math.sqrt(3)) < 1e-9);
  assert.ok(Math.abs(intervalOfRuns([1, 1].map((value) => ({ value, halfWidth: 0.2 }))).halfWidth - 0.2 / Math.sqrt(2)) < 1e-9);
  assert.deepEqual(intervalOfTrace(5, []), { value: 5, halfWidth: 0 });
});

test('values are printed in the unit a reader would choose', () => {
  assert.deepEqual([0, 0.0000024, 0.0124, 2.35251, 700, 9_000].map(printSeconds), ['0 s', '2.4 µs', '12.4 ms', '2.353 s', '11.67 min', '2.5 h']);
  assert.deepEqual([printValue(0.41234, '%'), printValue(11, '×'), printValue(Number.NaN, 's')], ['41.2 %', '11×', '–']);
  assert.deepEqual([printSpread({ value: 2, halfWidth: 0.06 }), printSpread({ value: Number.NaN, halfWidth: 0 })], [' ±3.0%', '']);
});

test('table and CSV hold every policy, and exact sharing has no interruptions to count', () => {
  const comparison = comparisonOf(['fifo', 'ps']);
  const { head, rows } = comparisonTable(comparison);
  assert.equal(rows.length, 2);
  assert.equal(rows[1]?.[head.indexOf('>interr/job')], '–');
  const csv = comparisonCsv(comparison).trim().split('\n');
  assert.equal(csv[0], 'policy,metric,unit,value,ci95');
  assert.ok(csv.some((line) => line.startsWith('ps,p99_slowdown,1,')));
});
