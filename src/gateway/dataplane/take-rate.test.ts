import { equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from './limits.ts';
import { TakeRate } from './take-rate.ts';

/** When a client that takes `bytesPerSecond` of pieces of this size is cut off; it stays for at most an hour. */
function cutOffAfterMs(pieceBytes: number, bytesPerSecond: number): number {
  const rate = new TakeRate(LIMITS.stallMs);
  rate.begin();
  const pieceMs = (pieceBytes / bytesPerSecond) * 1_000;
  let now = 1_000;
  while (now < 3_600_000) {
    const until = rate.waits(now, pieceBytes);
    if (now + pieceMs > until) return until - 1_000;
    now += pieceMs;
    rate.taken(now);
  }
  return Number.POSITIVE_INFINITY;
}

test('a client that takes next to nothing is cut off, however small the pieces (R-13)', () => {
  ok(cutOffAfterMs(100, 20) < 70_000);
  ok(cutOffAfterMs(1_000, 20) < 70_000);
  equal(cutOffAfterMs(64 * 1_024, 20), LIMITS.stallMs);
});

test('a slow but honest client is left alone', () => {
  equal(cutOffAfterMs(100, 300), Number.POSITIVE_INFINITY);
  equal(cutOffAfterMs(8 * 1_024, 1_000), Number.POSITIVE_INFINITY);
  equal(cutOffAfterMs(64 * 1_024, 20_000), Number.POSITIVE_INFINITY);
});

test('the time between pieces, when the backend is what is waited for, does not count', () => {
  const rate = new TakeRate(LIMITS.stallMs);
  rate.begin();
  let now = 0;
  for (let i = 0; i < 100; i++) {
    const until = rate.waits(now, 100);
    ok(until > now + 10, `piece ${i}`);
    now += 10;
    rate.taken(now);
    now += 60_000;
  }
});

test('who is faster is never cut off earlier', () => {
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 100_000 }), fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: 2_000 }), (piece, a, b) => {
      ok(cutOffAfterMs(piece, Math.max(a, b)) >= cutOffAfterMs(piece, Math.min(a, b)));
    }),
  );
});
