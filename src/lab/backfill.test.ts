import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeQueuePolicy } from '#policy/queue/policies';
import { ListSource } from './job-source.ts';
import { replayLog } from './log-replay.ts';
import { JobSimulation } from './simulator.ts';
import { parseSwf } from './swf.ts';

const PROCESSORS = 8;
const exactJob = fc.record({ at: fc.integer({ min: 0, max: 40 }), size: fc.integer({ min: 1, max: 15 }), width: fc.integer({ min: 1, max: PROCESSORS }) });
const parallel = fc
  .array(exactJob, { minLength: 1, maxLength: 30 })
  .map((jobs) => jobs.sort((a, b) => a.at - b.at).map((job, index) => ({ ...job, label: `j${index}` })));

/** Runs to the end one instant at a time and compares every start with the earliest reservation it ever had. */
function latestDelay(policy: string, jobs: readonly { readonly at: number; readonly size: number; readonly width: number; readonly label: string }[]): number {
  const startOf = new Map<string, number>();
  const simulation = new JobSimulation({
    policy: makeQueuePolicy(policy),
    source: new ListSource(jobs),
    workers: PROCESSORS,
    pooled: true,
    jobs: jobs.length,
    seed: 1,
    window: 'all',
    observer: { finished: (task) => void startOf.set(task.id, task.firstStart) },
  });
  const planned = new Map<string, number>();
  for (let at = 1; at < 2_000; at += 1) {
    simulation.simulate(at);
    for (const [id, moment] of simulation.reservations) planned.set(id, Math.min(moment, planned.get(id) ?? moment));
  }
  simulation.simulate();
  assert.equal(simulation.statistics.finished, jobs.length);
  assert.equal(simulation.fallback, '');
  return Math.max(0, ...[...planned].map(([id, moment]) => (startOf.get(id) ?? Number.POSITIVE_INFINITY) - moment));
}

test('with exact estimates, neither EASY nor conservative backfilling starts a job later than it was ever promised', () => {
  fc.assert(
    fc.property(parallel, (jobs) => {
      for (const policy of ['easy', 'easy-sjbf', 'conservative']) assert.equal(latestDelay(policy, jobs), 0, policy);
    }),
    { numRuns: 40 },
  );
});

test('backfilling never holds more processors than there are, whatever the estimates say', () => {
  const wrong = fc.record({
    at: fc.integer({ min: 0, max: 40 }),
    size: fc.integer({ min: 1, max: 15 }),
    width: fc.integer({ min: 1, max: PROCESSORS }),
    estimate: fc.integer({ min: 0, max: 40 }),
  });
  fc.assert(
    fc.property(fc.array(wrong, { minLength: 1, maxLength: 30 }), (unsorted) => {
      const jobs = unsorted.sort((a, b) => a.at - b.at);
      for (const policy of ['easy', 'easy-sjbf', 'conservative', 'fifo', 'sjf', 'drf', 'gang-las?thresholds=9us,30us', 'time-slice?quantum=3us']) {
        const result = replayLog(jobs, { policy, processors: PROCESSORS });
        assert.deepEqual([result.jobs, result.fallback], [jobs.length, ''], policy);
        assert.ok(result.utilisation <= 1 + 1e-9, policy);
      }
    }),
    { numRuns: 100 },
  );
});

const ROW = '1 0 5 100 4 -1 -1 4 200 -1 1 1 1 -1 -1 -1 -1 -1';

test('bad rows of a log are skipped with their line, unsorted ones sorted, and jobs that outlast their limit are cut off', () => {
  const text = [
    '; MaxProcs: 8',
    ROW,
    '2 50 0 -1 4',
    ROW.replace('1 0 5 100', '3 20 5 0'),
    ROW.replace('1 0 5 100', '4 NaN 5 9'),
    ROW.replace('1 0 5 100 4', '5 -7 5 9 4'),
    ROW.replace('1 0 5 100 4 -1 -1 4', '6 30 5 300 4 -1 -1 99'),
    ROW.replace('1 0 5 100', '7 10 5 300'),
  ].join('\n');
  const log = parseSwf(text, { estimates: 'user' });
  assert.deepEqual(log.skipped, [
    { line: 3, reason: 'has 5 of 18 fields' },
    { line: 4, reason: 'ran for 0 s' },
    { line: 5, reason: 'field 2 is "NaN", not a number' },
    { line: 6, reason: 'was submitted at -7' },
    { line: 7, reason: 'job 6 needs 99 of 8 processors' },
  ]);
  assert.deepEqual(
    log.jobs.map((job) => [job.label, job.at / 1e6, job.size / 1e6, (job.estimate ?? 0) / 1e6]),
    [
      ['1', 0, 100, 200],
      ['7', 10, 200, 200],
    ],
  );
  assert.deepEqual([log.unsorted, log.overran, log.processors], [1, 2, 8]);
  assert.throws(() => parseSwf('; nothing', { estimates: 'user' }), { code: 'INVALID', message: /none of its 1 lines is a job/ });
  assert.throws(() => parseSwf(ROW, { estimates: 'user' }), { code: 'INVALID', message: /give --processors/ });
});

const KTH = new URL('../../../shared/data/traces/swf/KTH-SP2-1996.swf', import.meta.url);
const skip = existsSync(KTH) ? false : 'the folder with traces is absent';

test('a job with parts is one job, and nodes stand for processors only where those are not stated', () => {
  const withStatus = (status: number): string => ROW.replace('4 200 -1 1 1', `4 200 -1 ${status} 1`);
  const log = parseSwf(
    ['; MaxNodes: 16', '; MaxProcs: 8', withStatus(1), withStatus(2), withStatus(3), withStatus(4), withStatus(-1), withStatus(5)].join('\n'),
    {
      estimates: 'user',
    },
  );
  assert.deepEqual([log.jobs.length, log.skipped.map((row) => row.line), log.processors], [3, [4, 5, 6], 8]);
  assert.equal(log.skipped[0]?.reason, 'is a part of an execution (status 2)');
  assert.equal(parseSwf(`; MaxNodes: 16\n${ROW}`, { estimates: 'user' }).processors, 16);
});

test('the published figures of the EASY family on KTH-SP2 come out within 0.2 %, their maxima exactly', { skip }, () => {
  const text = readFileSync(KTH, 'utf8');
  for (const [policy, estimates, mean, maxFlow, maxSlowdown] of [
    ['easy', 'user', 92.577, 309_231, 14_805.2],
    ['easy', 'exact', 71.722, 356_843, 10_017.2],
    ['easy-sjbf', 'user', 69.405, 372_238, 14_805.2],
    ['easy-sjbf', 'exact', 49.848, 335_193, 9_941.7],
  ] as const) {
    const log = parseSwf(text, { estimates });
    const result = replayLog(log.jobs, { policy, processors: log.processors });
    assert.ok(Math.abs(result.mean_bounded_slowdown / mean - 1) < 0.002, `${policy} ${estimates}: ${result.mean_bounded_slowdown}`);
    assert.deepEqual([result.jobs, result.max_flow, result.max_bounded_slowdown], [28_481, maxFlow, maxSlowdown]);
  }
});
