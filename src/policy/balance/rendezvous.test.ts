import { equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ExampleCandidate, exampleCandidates } from './candidate-fixture.ts';
import { hashBytes, hashText } from './key-hash.ts';
import { rendezvousPicker } from './rendezvous.ts';

const pick = rendezvousPicker(1.25);
const keys = Array.from({ length: 20_000 }, (_, index) => hashText(`10.${index % 7}.${index >> 8}.${index & 255}`));

function home(candidates: readonly ExampleCandidate[], keyHash: number): string {
  return pick(candidates, undefined, { now: 0, luck: 0, keyHash })?.id ?? '-';
}

test('a key always goes to the same candidate, whatever the order of the list', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 32 - 1), fc.integer({ min: 1, max: 10 }), (keyHash, count) => {
      const candidates = exampleCandidates(new Array<number>(count).fill(1));
      return home(candidates, keyHash) === home(candidates.toReversed(), keyHash);
    }),
  );
});

test('a candidate that goes moves only its own keys, and one that gains weight only gains', () => {
  const all = exampleCandidates([1, 1, 2, 1, 3]);
  const without = all.filter(({ id }) => id !== 'c');
  const heavier = exampleCandidates([1, 1, 4, 1, 3]);
  for (const key of keys) {
    const was = home(all, key);
    if (was !== 'c') equal(home(without, key), was);
    const now = home(heavier, key);
    ok(now === was || now === 'c');
  }
});

test('each candidate is home to its share of the keys by weight', () => {
  const weights = [1, 2, 3, 0.5];
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const candidates = exampleCandidates(weights);
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(home(candidates, key), (counts.get(home(candidates, key)) ?? 0) + 1);
  for (const { id, weight } of candidates) {
    const share = (counts.get(id) ?? 0) / keys.length;
    ok(Math.abs(share - weight / total) < 0.015, `${id} has ${share} of ${weight / total}`);
  }
});

test('however skewed the keys, nobody gets more than the bound, and somebody always gets the request', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 }), fc.array(fc.nat(3), { maxLength: 300 }), (weights, requests) => {
      const candidates = exampleCandidates(weights);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      let placed = 0;
      for (const key of requests) {
        const picked = pick(candidates, undefined, { now: 0, luck: 0, keyHash: key });
        if (picked === undefined) return false;
        placed++;
        picked.inFlight++;
        if (picked.inFlight > Math.ceil((1.25 * placed * picked.weight) / total)) return false;
      }
      return true;
    }),
  );
});

test('a text and its bytes hash alike', () => {
  const text = Buffer.from('x203.0.113.7y', 'latin1');
  equal(hashBytes(text, 1, text.length - 1), hashText('203.0.113.7'));
});
