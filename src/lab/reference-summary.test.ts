import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReferenceVerdict } from './reference-check.ts';
import { combineSeeds, familiesOf } from './reference-summary.ts';
import type { ScenarioResult } from './scenario.ts';

function result(value: number, halfWidth: number): ScenarioResult {
  return { metrics: { mean_wait: { value, halfWidth } }, events: 0, fallback: '', invalid: {} };
}

test('two seeds have the interval of their batches, three or more the wider of batches and seeds', () => {
  const widthOf = (...results: readonly ScenarioResult[]): number => combineSeeds(results)['mean_wait']?.halfWidth ?? Number.NaN;
  assert.equal(widthOf(result(1, 0.3)), 0.3);
  assert.ok(Math.abs(widthOf(result(1, 0.3), result(3, 0.4)) - 0.25) < 1e-12);
  // Standard deviation 1, over the root of 3, times Student's t for 2 degrees of freedom.
  assert.ok(Math.abs(widthOf(result(1, 0.1), result(2, 0.1), result(3, 0.1)) - 4.303 / Math.sqrt(3)) < 1e-9);
  assert.ok(widthOf(result(1, 0), result(3, 0)) > 10, 'what has no batches is not sure after two seeds');
});

test('a family fails when more than 3 % of its means are outside, when one is off by more than 5 %, or when a row is unsupported', () => {
  const verdict = (metric: string, verdict: ReferenceVerdict['verdict'], deviation = 0.01): ReferenceVerdict => ({
    row: { line: 1, policy: 'fcfs (x)', distribution: 'exp', params: '', rho: 0.5, metric, value: 1 },
    verdict,
    measured: 1,
    halfWidth: 0,
    deviation,
    tolerance: 0.015,
    note: '',
  });
  const good = Array.from({ length: 40 }, () => verdict('mean_wait', 'pass'));
  const isGood = (...more: readonly ReferenceVerdict[]): boolean | undefined => familiesOf([...good, ...more])[0]?.isGood;
  assert.equal(isGood(), true);
  assert.equal(isGood(verdict('mean_wait', 'fail', 0.02)), true);
  assert.equal(isGood(verdict('mean_wait', 'fail', 0.02), verdict('mean_wait', 'fail', 0.02)), false);
  assert.equal(isGood(verdict('mean_wait', 'pass', 0.06)), false);
  assert.equal(isGood(verdict('p99_wait', 'shown', 0.2)), true);
  assert.equal(isGood(verdict('p99_wait', 'fail', 0.2)), false);
  assert.equal(isGood(verdict('mean_bliss', 'unsupported')), false);
});
