import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exampleCandidates } from './candidate-fixture.ts';
import { type RampedCandidate, rampWeights, slowStartShare } from './slow-start.ts';
import { pickSmoothWeighted } from './smooth-weighted.ts';

function ramped(fullWeight: number, youngSince: number): RampedCandidate {
  return { fullWeight, youngSince, weight: fullWeight, effectiveWeight: fullWeight };
}

test('the share grows from a tenth to all over the ramp and never falls', () => {
  deepEqual(
    [0, 15_000, 30_000, 90_000].map((ageMs) => slowStartShare(ageMs, 30_000)),
    [0.1, 0.55, 1, 1],
  );
  equal(slowStartShare(0, 0), 1, 'without a ramp there is none');
  fc.assert(
    fc.property(
      fc.nat(60_000),
      fc.nat(60_000),
      fc.integer({ min: 1, max: 60_000 }),
      (a, b, rampMs) => slowStartShare(Math.max(a, b), rampMs) >= slowStartShare(Math.min(a, b), rampMs),
    ),
  );
});

test('the young get less, the old all; when more than half of the weight is young, all get all', () => {
  const old = ramped(2, Number.NEGATIVE_INFINITY);
  const young = ramped(1, 1_000);
  equal(rampWeights([old, young], 1_000, 30_000), true);
  deepEqual([old.weight, young.weight, young.effectiveWeight], [2, 0.1, 0.1]);
  equal(rampWeights([old, young], 31_000, 30_000), false);
  deepEqual([old.weight, young.weight], [2, 1]);
  const fresh = [ramped(1, 500), ramped(1, 600), old];
  equal(rampWeights([...fresh.slice(0, 2), ramped(1, 0)], 700, 30_000), true);
  deepEqual(
    fresh.map(({ weight }) => weight),
    [1, 1, 2],
  );
});

test('round robin gives a young one its share', () => {
  const candidates = exampleCandidates([1, 1, 1]).map((candidate, index) =>
    Object.assign(candidate, { fullWeight: 1, youngSince: index === 0 ? 0 : Number.NEGATIVE_INFINITY }),
  );
  rampWeights(candidates, 0, 30_000);
  let young = 0;
  for (let i = 0; i < 2_100; i++) if (pickSmoothWeighted(candidates, undefined)?.id === 'a') young++;
  equal(young, 100);
});
