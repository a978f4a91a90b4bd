import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProcessStat } from './process-facts.ts';

const rest = 'S 1 4242 4200 0 -1 4194560 100 0 0 0 7 3 20 10 20 0 1 0 152797 8192 500';

test('a command with spaces and parentheses does not move the fields of a stat line', () => {
  for (const command of ['sleep', 'a b', ') S 1 1 1 (', '((', '))', '']) {
    assert.deepEqual(parseProcessStat(`4242 (${command}) ${rest}\n`), {
      pid: 4242,
      state: 'S',
      parentId: 1,
      groupId: 4242,
      sessionId: 4200,
      cpuMs: 400,
      startTicks: 152797,
    });
  }
});

test('a line that is no stat line is undefined', () => {
  for (const line of ['', '1', '1 (a', '1 (a) S 1']) assert.equal(parseProcessStat(line), undefined);
});
