import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AnswerWindow, isSlow, slowLimitMs } from './slowness.ts';

function window(quickMs: number, medianMs = quickMs, answers = 200): AnswerWindow {
  return { quickMs, medianMs, answers };
}

const peers = [window(18, 20), window(19, 21)];

test('a backend is slow when even its quick answers take three times what is usual among its peers', () => {
  const limit = slowLimitMs(peers, 3);
  equal(limit, 70, 'at these times the floor of 50 ms counts');
  equal(slowLimitMs([window(90, 100), window(90, 100)], 3), 300);
  const table: readonly (readonly [boolean, AnswerWindow])[] = [
    [true, window(220)],
    [false, window(60)],
    // Most of what it was asked was slow, but not it.
    [false, window(18, 900)],
    [false, window(220, 220, 19)],
    [false, window(220, 220, 50)],
  ];
  deepEqual(
    table.map(([, one]) => isSlow(one, limit, false)),
    table.map(([expected]) => expected),
  );
  equal(isSlow(window(220, 220, 50), limit, true), true, 'a second window of few answers');
});

test('with fewer than two peers to compare with, or turned off, nobody is slow', () => {
  deepEqual(
    [slowLimitMs([], 3), slowLimitMs([window(20)], 3), slowLimitMs([window(20), window(20, 20, 3)], 3), slowLimitMs(peers, 0)],
    [undefined, undefined, undefined, undefined],
  );
  equal(isSlow(window(9_000), undefined, true), false);
});

test('when all slow down together by any factor, nobody is slow', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 3, maxLength: 8 }), fc.integer({ min: 1, max: 500 }), (medians, factor) => {
      const times = medians.map((ms) => 20 + ms);
      const windows = times.map((ms) => window(ms * factor));
      return windows.every((one, index) => {
        const others = windows.filter((_, other) => other !== index);
        return !isSlow(one, slowLimitMs(others, 3), true);
      });
    }),
  );
});
