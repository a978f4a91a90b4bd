import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pickSmoothWeighted, type WeightedCandidate, weakenAfterFailure } from './smooth-weighted.ts';

interface Named extends WeightedCandidate {
  readonly name: string;
}

function candidates(weights: readonly number[]): Named[] {
  return weights.map((weight, index) => ({ name: String.fromCharCode(97 + index), weight, effectiveWeight: weight, currentWeight: 0 }));
}

function picks(of: readonly Named[], count: number, excluded?: readonly Named[]): string {
  return Array.from({ length: count }, () => pickSmoothWeighted(of, excluded)?.name ?? '-').join(' ');
}

test('weights 5, 1, 1 give a a b a c a a, as in nginx', () => {
  equal(picks(candidates([5, 1, 1]), 14), 'a a b a c a a a a b a c a a');
});

test('equal weights take turns in the order of the list', () => {
  equal(picks(candidates([1, 1, 1]), 7), 'a b c a b c a');
});

test('over a period of the summed weights each candidate is picked exactly its weight', () => {
  const weightsArb = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 8 }).filter((weights) => weights.some((weight) => weight > 0));
  fc.assert(
    fc.property(weightsArb, fc.integer({ min: 1, max: 3 }), (weights, periods) => {
      const of = candidates(weights);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let period = 0; period < periods; period++) {
        const counts = new Map<string, number>();
        for (let i = 0; i < total; i++) {
          const name = pickSmoothWeighted(of, undefined)?.name ?? '-';
          counts.set(name, (counts.get(name) ?? 0) + 1);
        }
        deepEqual(
          of.map(({ name }) => counts.get(name) ?? 0),
          weights,
        );
      }
    }),
  );
});

test('no candidate is left waiting longer than the others allow: at most one pick away from its share at any time', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 6 }), (weights) => {
      const of = candidates(weights);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const counts = new Map<string, number>();
      for (let i = 1; i <= 2 * total; i++) {
        const name = pickSmoothWeighted(of, undefined)?.name ?? '-';
        counts.set(name, (counts.get(name) ?? 0) + 1);
        for (const candidate of of) {
          const share = (i * candidate.weight) / total;
          if (Math.abs((counts.get(candidate.name) ?? 0) - share) >= weights.length) return false;
        }
      }
      return true;
    }),
  );
});

test('what was tried is not picked again, and when all were tried there is nothing to pick', () => {
  const of = candidates([1, 1, 1]);
  const [a, b, c] = of as [Named, Named, Named];
  equal(picks(of, 4, [a]), 'b c b c');
  equal(picks(of, 1, [a, b, c]), '-');
  equal(picks(candidates([0]), 1), '-');
});

test('a failure takes weight, and passing over gives it back', () => {
  const of = candidates([2, 2]);
  const [a] = of as [Named, Named];
  weakenAfterFailure(a, 1);
  equal(a.effectiveWeight, 0);
  const order = picks(of, 6);
  equal(order.startsWith('b'), true);
  equal(a.effectiveWeight, 2);
});
