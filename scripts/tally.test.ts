import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { readTally } from './tally.ts';

const file = { label: 'a.live.test.ts', problem: undefined, files: ['src/a.live.test.ts'] };
const summary = (pass: number, fail: number, cancelled = 0): string => `# tests 9\n# pass ${pass}\n# fail ${fail}\n# cancelled ${cancelled}\n# skipped 1\n`;

test('a skip is named with its reason, in a suite or not, and a skip without one says so', () => {
  const tap = `ok 1 - starts\n    ok 1 - in a suite # SKIP no chromium: "chromium" is missing\nok 2 - suite\nok 3 - bare # SKIP\n${summary(1, 0)}`;
  deepEqual(readTally(tap, file), {
    passed: 1,
    failed: 0,
    skipped: ['a.live.test.ts: in a suite: no chromium: "chromium" is missing', 'a.live.test.ts: bare: no reason given'],
    failures: [],
  });
});

test('failed and cancelled tests both count as failed', () => {
  const tap = `not ok 1 - takes \\#2\nnot ok 2 - cancelled\n${summary(0, 1, 1)}`;
  deepEqual(readTally(tap, file), { passed: 0, failed: 2, skipped: [], failures: ['a.live.test.ts: takes #2', 'a.live.test.ts: cancelled'] });
});

test('a run that broke off has failed although each test it reported had passed', () => {
  deepEqual(readTally('ok 1 - starts\n', { ...file, problem: 'did not end in 3 s' }), {
    passed: 0,
    failed: 1,
    skipped: [],
    failures: ['a.live.test.ts: ended without a summary: did not end in 3 s'],
  });
});

test('a process that ended badly has failed although its summary is fine', () => {
  deepEqual(readTally(`ok 1 - starts\n${summary(1, 0)}`, { ...file, problem: 'ended with code 7' }), {
    passed: 1,
    failed: 1,
    skipped: [],
    failures: ['a.live.test.ts: ended with code 7'],
  });
});

test('a file without a test has failed', () => {
  deepEqual(readTally(`ok 1 - src/a.live.test.ts\n${summary(1, 0)}`, file), {
    passed: 0,
    failed: 1,
    skipped: [],
    failures: ['src/a.live.test.ts: holds no test'],
  });
});
