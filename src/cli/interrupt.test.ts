import { deepEqual, equal } from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { onInterrupt } from './interrupt.ts';

test('the first signal aborts, the same press again is nothing new, a later one exits at once', () => {
  const exits: number[] = [];
  const process = Object.assign(new EventEmitter(), { exit: (code: number) => void exits.push(code) });
  let nowMs = 5_000;
  const signal = onInterrupt(process, { exitCode: 130, nowMs: () => nowMs });
  equal(signal.aborted, false);
  process.emit('SIGINT');
  equal(signal.aborted, true);
  nowMs += 900;
  process.emit('SIGINT');
  process.emit('SIGTERM');
  deepEqual(exits, []);
  nowMs += 200;
  process.emit('SIGINT');
  deepEqual(exits, [130]);
});
