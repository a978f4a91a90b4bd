import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeQueuePolicy } from '#policy/queue/policies';
import { makePredictor } from '#policy/queue/predictors';
import type { Candidate } from './advise.ts';
import { advise, calibrate } from './advise.ts';
import { candidatePolicies, roundMicros } from './advise-candidates.ts';
import { predictionOf, readPrediction, recheck } from './advise-recheck.ts';
import type { Replay, ReplayFigures } from './advise-replay.ts';
import { recordedFigures, replayRecording } from './advise-replay.ts';
import type { ReplayTable } from './advise-table.ts';
import { replayTableOf } from './advise-table.ts';
import { classesOfWorkload } from './compare-workload.ts';
import { parseEventLog } from './event-log.ts';
import type { Recording } from './event-log-jobs.ts';
import { recordingOf } from './event-log-jobs.ts';
import { LogWriter } from './event-log-writer.ts';
import { ListSource } from './job-source.ts';
import { sourceOf } from './scenario.ts';
import { JobSimulation } from './simulator.ts';

const SECOND = 1_000_000;

function recorded(policy: string, options: { readonly jobs?: number; readonly seed?: number } = {}): Recording {
  const { jobs = 3_000, seed = 1 } = options;
  const classes = classesOfWorkload('h2?mean=1&scv=10&load=0.8', {
    workers: 2,
    tenants: [
      { name: 'a', weight: 1 },
      { name: 'b', weight: 1 },
    ],
  });
  const writer = new LogWriter({ handlerOf: (record) => (record.size > 2 * SECOND ? 'large' : 'small') });
  const source = writer.writing(sourceOf({ policy, classes, workers: 2, jobs, warmup: 0, seed }));
  new JobSimulation({ policy: makeQueuePolicy(policy), source, workers: 2, seed, jobs, window: 'all', observer: writer }).simulate();
  return recordingOf(parseEventLog(writer.text({ workers: 2, policy })));
}

function replay(table: ReplayTable, policy: string, options: Partial<Replay> = {}): ReplayFigures {
  return replayRecording({ table, policy, predictor: 'last-two', isClosed: false, switchCost: 0, resample: 0, ...options });
}

function candidate(table: ReplayTable, policy: string, resamples = 5): Candidate {
  const { uses } = makeQueuePolicy(policy);
  return {
    figures: replay(table, policy),
    resamples: Array.from({ length: resamples }, (_, index) => replay(table, policy, { resample: index + 1 })),
    needsEstimates: uses.estimate === true,
    interrupts: uses.preempt === true,
  };
}

const facts = { load: 0.8, isClosed: false, predictor: 'last-two' } as const;

test('replaying the policy under which a log was recorded gives back what was recorded', () => {
  for (const policy of ['fifo', 'time-slice?quantum=200ms']) {
    const recording = recorded(policy);
    const { table } = replayTableOf(recording);
    const calibration = calibrate(recordedFigures(recording.jobs, policy), replay(table, policy));
    assert.ok(calibration.worst < 1e-9, `${policy}: ${calibration.worst}`);
  }
});

test('a replay that misses what was recorded by more than 15 % is not good enough to advise on', () => {
  const recording = recorded('fifo');
  const { table } = replayTableOf(recording);
  const was = recordedFigures(recording.jobs, 'fifo');
  assert.equal(calibrate(was, replay({ ...table, workers: 3 }, 'fifo')).isGood, false);
  assert.equal(calibrate(was, replay(table, 'sjf')).isGood, false);
  assert.equal(calibrate(was, replay(table, 'fifo')).isGood, true);
});

test('the advice is one policy string, a sentence, and two arguments against', () => {
  const { table } = replayTableOf(recorded('fifo'));
  const policies = ['sjf', 'srpt', 'time-slice?quantum=500ms'];
  const advice = advise(
    candidate(table, 'fifo'),
    policies.map((policy) => candidate(table, policy)),
    facts,
  );
  assert.ok(policies.includes(advice.policy), advice.policy);
  assert.match(advice.sentence, /instead of fifo: mean response from .* 95 % between .*; the chance that this workload is better off is \d+ %/);
  assert.equal(advice.counterArguments.length, 2);
  assert.ok(advice.counterArguments.every((words) => words.length > 20));
  assert.notEqual(advice.counterArguments[0], advice.counterArguments[1]);
});

test('a policy that starves somebody or worsens the tail is objected to, whatever its mean', () => {
  const metrics = {
    mean_response: 2,
    p50_response: 1,
    p99_response: 10,
    mean_slowdown: 3,
    p99_slowdown: 9,
    max_slowdown: 20,
    worst_tenant_p99: 10,
    max_wait: 8,
  };
  const made = (policy: string, changed: Partial<typeof metrics>): Candidate => {
    const figures = { policy, metrics: { ...metrics, ...changed }, tenants: [], fallback: '' };
    return { figures, resamples: [figures, figures], needsEstimates: false, interrupts: false };
  };
  const half = { mean_response: 1, mean_slowdown: 1.5, p99_slowdown: 4 };
  const advice = advise(
    made('fifo', {}),
    [made('sjf', { ...half, max_wait: 100 }), made('las', { ...half, p99_response: 12 }), made('srpt', { ...half, worst_tenant_p99: 14 })],
    facts,
  );
  assert.equal(advice.policy, 'fifo');
  assert.match(advice.sentence, /^Keep fifo/);
  assert.deepEqual(
    advice.judgements.map((one) => one.objections.length > 0),
    [true, true, true],
  );
  assert.match(advice.judgements[0]?.objections.join() ?? '', /it starves: somebody waits 100 s instead of at most 8 s/);
  assert.equal(advise(made('fifo', {}), [made('hrrn', half)], facts).policy, 'hrrn');
});

test('predictors know only jobs that ended before', () => {
  const predictor = makePredictor('last-two');
  assert.equal(predictor.predict(1), 0);
  predictor.learn(1, 100);
  assert.deepEqual([predictor.predict(1), predictor.predict(2)], [100, 100]);
  predictor.learn(1, 300);
  predictor.learn(1, 500);
  assert.deepEqual([predictor.predict(1), predictor.predict(2)], [400, 300]);
  const high = makePredictor('p90');
  for (let service = 1; service <= 10; service += 1) high.learn(1, service);
  assert.equal(high.predict(1), 9);
  const average = makePredictor('ewma');
  average.learn(1, 100);
  average.learn(1, 200);
  assert.equal(average.predict(1), 125);
  assert.throws(() => makePredictor('oracle'), { code: 'INVALID', message: /there are last-two, ewma, p90/ });
});

test('a closed replay keeps think times: a slower policy gets later arrivals, and shorter queues than an open one', () => {
  const jobs = Array.from({ length: 120 }, (_, index) => ({ at: index * 10 * SECOND, size: 9 * SECOND, tenant: 'one' }));
  const writer = new LogWriter();
  new JobSimulation({
    policy: makeQueuePolicy('fifo'),
    source: writer.writing(new ListSource(jobs)),
    workers: 1,
    seed: 1,
    jobs: jobs.length,
    window: 'all',
    observer: writer,
  }).simulate();
  const { table } = replayTableOf(recordingOf(parseEventLog(writer.text({ workers: 1 }))));
  const slower = { switchCost: 2 * SECOND };
  const open = replay(table, 'fifo', slower).metrics['mean_response'] ?? 0;
  const closed = replay(table, 'fifo', { ...slower, isClosed: true }).metrics['mean_response'] ?? 0;
  assert.ok(Math.abs(closed - 11) < 1e-6, `closed ${closed}`);
  assert.ok(open > 50, `open ${open}`);
});

test('outages, cancellations and jobs that had not ended are replayed, not dropped', () => {
  const lines: unknown[] = [{ log: 'haven-jobs', version: 1, workers: 1 }];
  for (let index = 0; index < 60; index += 1) {
    const at = index * 10 * SECOND;
    const isDuring = index >= 20 && index < 25;
    // The worker is down from 200 s to 250 s; what came meanwhile is served after it, one second each.
    const start = isDuring ? 250 * SECOND + (index - 20) * SECOND : at + (index === 25 ? 5 * SECOND : 0);
    lines.push(
      { at, event: 'arrive', job: `j${index}` },
      { at: start, event: 'start', job: `j${index}`, worker: 0 },
      { at: start + SECOND, event: 'finish', job: `j${index}` },
    );
  }
  lines.push({ at: 200 * SECOND, event: 'worker-down', worker: 0 }, { at: 250 * SECOND, event: 'worker-up', worker: 0 });
  lines.push({ at: 205 * SECOND, event: 'arrive', job: 'gone' }, { at: 230 * SECOND, event: 'leave', job: 'gone' });
  lines.push({ at: 599 * SECOND, event: 'arrive', job: 'late' });
  const recording = recordingOf(parseEventLog(lines.map((line) => JSON.stringify(line)).join('\n')));
  const { table, counts } = replayTableOf(recording);
  assert.deepEqual(counts, { jobs: 62, finished: 60, failed: 0, cancelled: 1, censored: 1, guessed: 2, outages: 1 });
  const was = recordedFigures(recording.jobs, 'fifo');
  const figures = replay(table, 'fifo');
  assert.equal(figures.metrics['jobs'], 60);
  assert.equal(figures.metrics['abandoned'], 1);
  assert.ok(calibrate(was, figures).isGood, JSON.stringify(calibrate(was, figures)));
  assert.equal(calibrate(was, replay({ ...table, outages: [] }, 'fifo')).isGood, false, 'without the outage the replay misses');
});

test('wide jobs and declared estimates are written down and replayed as they were', () => {
  const jobs = Array.from({ length: 300 }, (_, index) => ({
    at: index * SECOND,
    size: (1 + (index % 7)) * SECOND,
    estimate: 9 * SECOND,
    width: 1 + (index % 4),
  }));
  const writer = new LogWriter({ logsEstimates: true });
  const source = writer.writing(new ListSource(jobs));
  new JobSimulation({
    policy: makeQueuePolicy('easy'),
    source,
    workers: 10,
    seed: 1,
    jobs: jobs.length,
    window: 'all',
    pooled: true,
    observer: writer,
  }).simulate();
  const log = parseEventLog(writer.text({ workers: 10, policy: 'easy' }));
  assert.deepEqual(log.bad, []);
  const recording = recordingOf(log);
  const { table } = replayTableOf(recording);
  assert.deepEqual([table.width[3], table.estimate[3]], [4, 9 * SECOND]);
  assert.ok(calibrate(recordedFigures(recording.jobs, 'easy'), replay(table, 'easy', { predictor: 'declared' })).worst < 1e-9);
});

test('too few jobs to conclude anything are refused', () => {
  assert.throws(() => replayTableOf(recorded('fifo', { jobs: 30 })), { code: 'INVALID', message: /30 jobs that ended, because at least 50/ });
});

test('candidates follow the workload: quanta from its sizes, tenants, wide jobs, no interruptions if so asked', () => {
  const { table } = replayTableOf(recorded('fifo'));
  const policies = candidatePolicies(table, { incumbent: 'fifo', mayInterrupt: true, predictor: 'last-two' });
  assert.ok(!policies.includes('fifo') && policies.includes('srpt') && policies.some((one) => one.startsWith('drr?')));
  const gentle = candidatePolicies(table, { incumbent: 'fifo', mayInterrupt: false, predictor: 'last-two' });
  assert.ok(gentle.includes('sjf') && !gentle.includes('srpt'));
  const wide = candidatePolicies({ ...table, width: table.width.map(() => 2) }, { incumbent: 'fifo', mayInterrupt: true, predictor: 'last-two' });
  assert.deepEqual(wide, ['easy', 'easy-sjbf'], 'conservative backfilling needs bounds on sizes');
  assert.deepEqual([800, 70_000_000].map(roundMicros), [1_000, 60_000_000]);
});

test('a kept prediction is compared with what came', () => {
  const { table } = replayTableOf(recorded('fifo'));
  const [fifo, srpt] = [candidate(table, 'fifo'), candidate(table, 'time-slice?quantum=500ms')];
  const advice = advise(fifo, [srpt], facts);
  const chosen = advice.policy === 'fifo' ? fifo : srpt;
  const prediction = readPrediction(JSON.parse(JSON.stringify(predictionOf(advice, chosen))));
  const rows = recheck(prediction, recordedFigures(recorded(advice.policy, { seed: 1 }).jobs, advice.policy));
  assert.equal(rows.length, 7);
  assert.ok(
    rows.every((row) => row.isInside),
    JSON.stringify(rows),
  );
  assert.equal(recheck(prediction, { ...chosen.figures, metrics: { mean_response: 1e6 } })[0]?.isInside, false);
  assert.throws(() => readPrediction({ prediction: 'other' }), { code: 'INVALID', message: /not one that "haven lab advise --save" wrote/ });
});
