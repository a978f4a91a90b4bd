import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeLog } from './log.ts';

test('lines below the level are dropped; the rest are one JSON object each, and fields cannot forge its head', () => {
  const lines: string[] = [];
  const log = new NodeLog({ level: 'info', name: 'agent', write: (line) => lines.push(line) });
  log.write('debug', 'unheard');
  log.write('warn', 'two\nlines', { node: 'a-1', level: 'debug', absent: undefined });
  assert.equal(lines.length, 1);
  assert.ok(lines[0]?.endsWith('\n') && lines[0].indexOf('\n') === lines[0].length - 1);
  const { time, ...line } = JSON.parse(lines[0] ?? '');
  assert.deepEqual(line, { node: 'a-1', level: 'warn', name: 'agent', message: 'two\nlines' });
  assert.ok(Math.abs(Date.parse(time) - performance.timeOrigin) < 3_600_000);
});
