import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant, UnixMs } from '#world/world';
import { afterProbe, NO_CHECKS } from './check-facts.ts';

const at = { at: 7 as Instant, wall: 7 as UnixMs };

test('failures count until enough passes in a row have followed (H3), and the reason of the last one is kept', () => {
  const outcomes = ['refused', undefined, 'silent', undefined, undefined];
  let facts = NO_CHECKS;
  const counts = outcomes.map((failure) => {
    facts = afterProbe(facts, { failure, rise: 2, at });
    return [facts.failures, facts.passes];
  });
  deepEqual(counts, [
    [1, 0],
    [1, 1],
    [2, 0],
    [2, 1],
    [0, 2],
  ]);
  deepEqual(facts, { probes: 5, probedAt: at, passes: 2, failures: 0, lastFailure: 'silent' });
});
