import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorldUnderTest } from './world-under-test.ts';

/** The claims of the port `Clock`. */
export function clockConformance({ name, run }: WorldUnderTest): void {
  test(`clock (${name}): sleepers wake in the order of their times and never early`, () =>
    run(async ({ world: { clock } }) => {
      const startedAt = clock.now();
      const woken: { readonly delayMs: number; readonly isEarly: boolean }[] = [];
      await Promise.all(
        [30, 1, 15].map(async (delayMs) => {
          await clock.sleep(delayMs);
          // A simulated clock multiplies by its rate, which may round in the last bit.
          woken.push({ delayMs, isEarly: clock.now() - startedAt < delayMs - 1e-6 });
        }),
      );
      assert.deepEqual(
        woken,
        [1, 15, 30].map((delayMs) => ({ delayMs, isEarly: false })),
      );
    }));

  test(`clock (${name}): an aborted sleep rejects at once with the signal's reason`, () =>
    run(async ({ world: { clock } }) => {
      const reason = new Error('enough');
      const controller = new AbortController();
      const startedAt = clock.now();
      clock.after(5, () => controller.abort(reason));
      await assert.rejects(clock.sleep(10_000, controller.signal), reason);
      await assert.rejects(clock.sleep(10_000, controller.signal), reason);
      assert.ok(clock.now() - startedAt < 5_000);
    }));

  test(`clock (${name}): a timer calls back once, a disposed one never`, () =>
    run(async ({ world: { clock } }) => {
      const calls: string[] = [];
      clock.after(2, () => calls.push('kept'));
      clock.after(2, () => calls.push('disposed'))[Symbol.dispose]();
      await clock.sleep(10);
      assert.deepEqual(calls, ['kept']);
    }));

  test(`clock (${name}): the wall clock is past 2020 and does not stand still`, () =>
    run(async ({ world: { clock } }) => {
      const before = clock.wall();
      await clock.sleep(5);
      assert.ok(before > 1_577_836_800_000 && clock.wall() > before);
    }));
}
