import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { type AnswerFacts, AnswerTimes, isSuspect, probeTimeoutMs } from './suspicion.ts';

const answering: AnswerFacts = { oldestWaitMs: 18, sinceAnswerMs: 3, usualMs: 25 };

function silent(forMs: number, usualMs = 25): AnswerFacts {
  return { oldestWaitMs: forMs, sinceAnswerMs: forMs + 2, usualMs };
}

test('a backend that owes an answer for far longer than its answering peers is suspect', () => {
  const table: readonly (readonly [boolean, AnswerFacts, readonly AnswerFacts[]])[] = [
    [true, silent(60), [answering, answering]],
    [false, silent(45), [answering, answering]],
    // All slow down together.
    [false, silent(200), [silent(210), silent(205)]],
    [false, silent(200), [silent(190), silent(180)]],
    [false, silent(200), [answering, silent(300), silent(300)]],
    // One honestly slow request: others were answered meanwhile.
    [false, { oldestWaitMs: 3_000, sinceAnswerMs: 4, usualMs: 25 }, [answering, answering]],
    // A peer with one slow request of its own still answers others.
    [true, silent(200), [{ oldestWaitMs: 900, sinceAnswerMs: 4, usualMs: 25 }, answering]],
    // Slow answers are usual here.
    [false, silent(400, 300), [answering, answering]],
    [false, silent(400), [{ ...answering, usualMs: 300 }, answering]],
    // Nobody else to compare with, or nobody was asked.
    [false, silent(5_000), []],
    [false, silent(5_000), [{ oldestWaitMs: 0, sinceAnswerMs: Number.POSITIVE_INFINITY, usualMs: 0 }]],
    // Nothing is owed.
    [false, { oldestWaitMs: 0, sinceAnswerMs: 90_000, usualMs: 25 }, [answering]],
  ];
  deepEqual(
    table.map(([, backend, peers]) => isSuspect(backend, peers)),
    table.map(([expected]) => expected),
  );
});

test('usual answer times follow the answers and forget an outlier', () => {
  const times = new AnswerTimes();
  for (let i = 0; i < 100; i++) times.add(20);
  equal(Math.round(times.usualMs), 20);
  times.add(2_000);
  equal(times.usualMs > 1_000, true);
  for (let i = 0; i < 60; i++) times.add(20);
  equal(times.usualMs < 40, true);
});

test('a suspect is given 100 to 250 ms to answer', () => {
  deepEqual([0, 20, 80, 200, 5_000].map(probeTimeoutMs), [100, 100, 160, 250, 250]);
});
