import { deepEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { earliestEnd, tunnelEndsAt } from './tunnel-drain.ts';

test('tunnels end within the last 30 s of a long drain, and the last half of a short one (R-26)', () => {
  const ends = (drainMs: number) => [0, 0.5, 1].map((luck) => tunnelEndsAt({ since: 1_000, drainMs }, { openedAt: 0, luck }));
  deepEqual(ends(300_000), [271_000, 286_000, 301_000]);
  deepEqual(ends(30_000), [16_000, 23_500, 31_000]);
  deepEqual(ends(0), [1_000, 1_000, 1_000]);
});

test('of two drains the earlier counts, and without one a tunnel has no end', () => {
  deepEqual(
    [
      [undefined, undefined],
      [{ since: 0, drainMs: 1_000 }, undefined],
      [
        { since: 0, drainMs: 1_000 },
        { since: 100, drainMs: 100 },
      ],
    ].map((drains) => earliestEnd(drains, { openedAt: 0, luck: 1 })),
    [Number.POSITIVE_INFINITY, 1_000, 200],
  );
});

test('a tunnel that was opened in the course of a drain has the rest of it, or all of its time where nobody waits for its end (R-23)', () => {
  const ends = (isForEach: boolean) => [0, 1_000, 60_000].map((openedAt) => tunnelEndsAt({ since: 1_000, drainMs: 10_000, isForEach }, { openedAt, luck: 0 }));
  deepEqual(ends(false), [6_000, 6_000, 6_000]);
  deepEqual(ends(true), [6_000, 6_000, 65_000]);
});

test('no tunnel ends before the drain begins or after it is over', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e9 }), fc.integer({ min: 0, max: 1e7 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (since, drainMs, luck) => {
      const at = tunnelEndsAt({ since, drainMs }, { openedAt: 0, luck });
      ok(at >= since && at <= since + drainMs);
    }),
  );
});
