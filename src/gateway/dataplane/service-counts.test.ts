import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { ServiceCounts } from './service-counts.ts';

test('a tunnel is a request that was answered, but how long it lived is no time of an answer', () => {
  const counts = new ServiceCounts();
  counts.answered(200, 0, 5);
  counts.answered(101, 0, 3_600_000);
  deepEqual(
    [counts.answers.reduce((sum, count) => sum + count, 0), counts.durations.counts.reduce((sum, count) => sum + count, 0), counts.durations.sumMs],
    [2, 1, 5],
  );
});
