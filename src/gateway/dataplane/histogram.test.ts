import { ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUCKETS, bucketBoundMs, bucketOf, Histogram, percentileMs } from './histogram.ts';

test('every duration lies in a bucket whose bound is at most a quarter above it', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 200_000, noNaN: true }), (durationMs) => {
      const bucket = bucketOf(durationMs);
      const bound = bucketBoundMs(bucket);
      return (
        bucket < BUCKETS - 1 && durationMs <= bound && bound <= durationMs * 1.26 + 0.016 && (bucket === 0 || bucketBoundMs(bucket - 1) <= durationMs + 0.016)
      );
    }),
  );
});

test('percentiles are at most one bucket too high', () => {
  const histogram = new Histogram();
  for (let i = 1; i <= 1_000; i++) histogram.add(i);
  const p50 = percentileMs(histogram.counts, 0.5);
  const p99 = percentileMs(histogram.counts, 0.99);
  ok(p50 >= 500 && p50 <= 630, `p50 ${p50}`);
  ok(p99 >= 990 && p99 <= 1_250, `p99 ${p99}`);
});
