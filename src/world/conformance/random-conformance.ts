import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorldUnderTest } from './world-under-test.ts';

/** The claims of the port `Random`. */
export function randomConformance({ name, run }: WorldUnderTest): void {
  test(`random (${name}): numbers lie in [0, 1) and spread evenly over ten bins`, () =>
    run(async ({ world: { random } }) => {
      const bins = new Array<number>(10).fill(0);
      for (let i = 0; i < 10_000; i++) {
        const value = random.next();
        assert.ok(value >= 0 && value < 1);
        bins[Math.floor(value * 10)] = (bins[Math.floor(value * 10)] ?? 0) + 1;
      }
      // Ten standard deviations of a binomial(10 000, 0.1).
      assert.ok(
        bins.every((count) => Math.abs(count - 1_000) < 300),
        String(bins),
      );
    }));

  test(`random (${name}): a long-lived program never fails to get a number`, () =>
    run(async ({ world: { random } }) => {
      // As many as it takes until the engine has compiled all that is behind it, some times over.
      for (let i = 0; i < 500_000; i++) random.next();
    }));

  test(`random (${name}): integers reach both ends of their range and stay inside`, () =>
    run(async ({ world: { random } }) => {
      const seen = new Set(Array.from({ length: 500 }, () => random.integer(4)));
      assert.deepEqual([...seen].sort(), [0, 1, 2, 3]);
      assert.equal(random.integer(1), 0);
      assert.throws(() => random.integer(0));
    }));

  test(`random (${name}): bytes have the length asked for and do not repeat`, () =>
    run(async ({ world: { random } }) => {
      const tokens = new Set(Array.from({ length: 100 }, () => Buffer.from(random.bytes(16)).toString('hex')));
      assert.equal(tokens.size, 100);
      assert.equal(random.bytes(0).length, 0);
    }));
}
