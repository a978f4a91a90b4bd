import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEventLog, printLogLine } from './event-log.ts';
import { recordingOf } from './event-log-jobs.ts';

const log = (...lines: readonly unknown[]): string => lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');

test('a log is read back as it was printed', () => {
  const lines = [
    { log: 'haven-jobs', version: 1, workers: 2, policy: 'fifo' },
    { at: 5, event: 'arrive', job: 'a', tenant: 't', estimate: 3 },
    { at: 6, event: 'worker-down', worker: 1 },
  ] as const;
  const read = parseEventLog(lines.map(printLogLine).join('\r\n'));
  assert.deepEqual(read, { header: lines[0], events: lines.slice(1), bad: [], unsorted: 0 });
});

test('bad lines are left out and listed with their number and reason; unsorted ones are counted and sorted', () => {
  const read = parseEventLog(
    log(
      { at: 9, event: 'arrive', job: 'a' },
      'no json',
      { at: -1, event: 'arrive', job: 'b' },
      { at: 1.5, event: 'arrive', job: 'b' },
      { at: 3, event: 'explode', job: 'b' },
      { at: 3, event: 'arrive' },
      { at: 3, event: 'arrive', job: 'b', size: -4 },
      { at: 3, event: 'worker-up' },
      '',
      { at: 4, event: 'arrive', job: 'c' },
    ),
  );
  assert.deepEqual(
    read.events.map((event) => event.job),
    ['c', 'a'],
  );
  assert.equal(read.unsorted, 1);
  assert.deepEqual(
    read.bad.map((row) => row.line),
    [2, 3, 4, 5, 6, 7, 8],
  );
  assert.match(read.bad[4]?.reason ?? '', /"job" is undefined/);
  assert.match(read.bad[5]?.reason ?? '', /"size" is -4/);
});

test('an empty log, or one without an event, is INVALID', () => {
  assert.throws(() => parseEventLog(''), { code: 'INVALID', message: /it is empty/ });
  assert.throws(() => parseEventLog('{"log":"other","version":3}'), { code: 'INVALID', message: /header of "other" version 3/ });
});

test('events are joined into jobs: service over slices, interruptions, how each ended', () => {
  const recording = recordingOf(
    parseEventLog(
      log(
        { at: 100, event: 'arrive', job: 'a', tenant: 'x', handler: 'h' },
        { at: 110, event: 'start', job: 'a', worker: 0 },
        { at: 120, event: 'pause', job: 'a' },
        { at: 130, event: 'resume', job: 'a', worker: 1 },
        { at: 150, event: 'finish', job: 'a' },
        { at: 160, event: 'arrive', job: 'b', estimate: 7 },
        { at: 170, event: 'leave', job: 'b' },
        { at: 170, event: 'arrive', job: 'c' },
        { at: 180, event: 'start', job: 'c', worker: 0 },
        { at: 200, event: 'arrive', job: 'd' },
        { at: 200, event: 'finish', job: 'z' },
      ),
    ),
  );
  assert.deepEqual(
    recording.jobs.map(({ id, submitted, service, firstStart, endedAt, ending, interruptions }) => ({
      id,
      submitted,
      service,
      firstStart,
      endedAt,
      ending,
      interruptions,
    })),
    [
      { id: 'a', submitted: 0, service: 30, firstStart: 10, endedAt: 50, ending: 'finished', interruptions: 1 },
      { id: 'b', submitted: 60, service: 0, firstStart: -1, endedAt: 70, ending: 'cancelled', interruptions: 0 },
      { id: 'c', submitted: 70, service: 20, firstStart: 80, endedAt: 100, ending: 'censored', interruptions: 0 },
      { id: 'd', submitted: 100, service: 0, firstStart: -1, endedAt: 100, ending: 'censored', interruptions: 0 },
    ],
  );
  assert.equal(recording.workers, 2);
  assert.deepEqual([...recording.odd], [['finish of a job that did not arrive', 1]]);
});

test('work lost with a worker is not counted as service, work of a failed attempt is, and outages are kept', () => {
  const recording = recordingOf(
    parseEventLog(
      log(
        { at: 0, event: 'arrive', job: 'a' },
        { at: 0, event: 'start', job: 'a', worker: 0 },
        { at: 40, event: 'fail', job: 'a', cause: 'worker-lost' },
        { at: 40, event: 'worker-down', worker: 0 },
        { at: 90, event: 'worker-up', worker: 0 },
        { at: 90, event: 'start', job: 'a', worker: 0 },
        { at: 95, event: 'fail', job: 'a', cause: 'error' },
        { at: 95, event: 'start', job: 'a', worker: 0 },
        { at: 100, event: 'finish', job: 'a' },
        { at: 100, event: 'worker-down', worker: 0 },
      ),
    ),
  );
  assert.equal(recording.jobs[0]?.service, 10);
  assert.equal(recording.jobs[0]?.ending, 'finished');
  assert.deepEqual(recording.outages, [
    { worker: 0, from: 40, to: 90 },
    { worker: 0, from: 100, to: Number.POSITIVE_INFINITY },
  ]);
});

test('arrivals with sizes alone are a trace', () => {
  const recording = recordingOf(parseEventLog(log({ at: 0, event: 'arrive', job: 'a', size: 12 }, { at: 3, event: 'arrive', job: 'b', size: 1 })));
  assert.ok(recording.isTrace);
  assert.deepEqual(
    recording.jobs.map((job) => job.service),
    [12, 1],
  );
});
