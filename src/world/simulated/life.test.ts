import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Generator } from './generator.ts';
import { Life } from './life.ts';
import { Scheduler } from './scheduler.ts';

function runAll(scheduler: Scheduler): void {
  while (scheduler.nextMs !== undefined) scheduler.step();
}

test('what waited in a paused process comes before what waited in its paused host', () => {
  const scheduler = new Scheduler(new Generator(1));
  const host = new Life(scheduler);
  const process = host.child();
  const seen: string[] = [];
  process.pause();
  for (const name of ['a', 'b', 'c']) process.deliver(1, () => seen.push(name));
  runAll(scheduler);
  host.pause();
  host.deliver(1, () => process.resume());
  for (const [index, name] of ['d', 'e', 'f'].entries()) process.deliver(2 + index, () => seen.push(name));
  runAll(scheduler);
  host.resume();
  runAll(scheduler);
  assert.deepEqual(seen.toSorted(), ['a', 'b', 'c', 'd', 'e', 'f']);
  assert.deepEqual(seen.slice(3), ['d', 'e', 'f']);
});

test('a callback that arrives while waiting ones are let go queues behind them', () => {
  const scheduler = new Scheduler(new Generator(2));
  const life = new Life(scheduler);
  const seen: string[] = [];
  life.pause();
  life.deliver(1, () => {
    seen.push('first');
    life.deliver(0, () => seen.push('new'));
  });
  life.deliver(2, () => {
    seen.push('second');
    life.pause();
    scheduler.at(scheduler.nowMs + 5, () => life.resume());
  });
  life.deliver(3, () => seen.push('third'));
  runAll(scheduler);
  life.resume();
  runAll(scheduler);
  assert.deepEqual(seen, ['first', 'second', 'third', 'new']);
});
