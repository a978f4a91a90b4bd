import { equal, notEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { type FuzzKind, FuzzTarget, Mutator } from './fuzz.ts';

const seed = 20_261_123;
const streams = 20_000;
const KINDS: readonly FuzzKind[] = ['request', 'request', 'answer', 'chunks'];

test(`${streams} mutated streams: the same verdict however they are cut, and what is sent on is read as it was meant`, () => {
  const mutator = new Mutator(seed);
  const target = new FuzzTarget();
  for (let i = 0; i < streams; i++) {
    const kind = KINDS[i % KINDS.length] as FuzzKind;
    const bytes = mutator.stream(kind);
    equal(target.try(kind, bytes, mutator.cuts(bytes.length)), undefined, `seed ${seed}, stream ${i}, ${kind}: ${JSON.stringify(bytes.toString('latin1'))}`);
  }
  // Mutations that only ever break streams would show nothing about those that are passed on.
  ok(target.accepted > streams / 10, String(target.accepted));
});

test('the same seed makes the same streams, another makes others', () => {
  const text = (from: number) => new Mutator(from).stream('request').toString('latin1');
  equal(text(7), text(7));
  notEqual(text(7), text(8));
});
