import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { UnixMs } from '#world/world';
import { type Failures, failedAgain, type Held, mayBeMended, orderAt } from './renewal.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
const T = 1_800_000_000_000;
const at = (ms: number) => (T + ms) as UnixMs;
/** From an authority whose certificates begin an hour ago. */
const held = (days: number): Held => ({ validFrom: at(-3_600_000), validTo: at(-3_600_000 + days * dayMs), orderedAt: at(0) });

test('what is missing is ordered at once, what is held at two thirds of its life, however long that is', () => {
  equal(orderAt({ held: undefined, failures: undefined, now: at(5) }), at(5));
  for (const days of [6, 45, 90, 398])
    equal(orderAt({ held: held(days), failures: undefined, now: at(minuteMs) }), at(-3_600_000 + (days * dayMs * 2) / 3), `${days} days`);
});

test('what is due or over is ordered now', () => {
  for (const days of [61, 89, 90, 200]) equal(orderAt({ held: held(90), failures: undefined, now: at(days * dayMs) }), at(days * dayMs));
});

test('after failures nothing is ordered before it is time again, be it missing, due or over', () => {
  const failures: Failures = { count: 1, triedAt: at(0), retryAt: at(minuteMs) };
  for (const what of [undefined, held(0.001)]) {
    equal(orderAt({ held: what, failures, now: at(0) }), at(minuteMs));
    equal(orderAt({ held: what, failures, now: at(2 * minuteMs) }), at(2 * minuteMs));
  }
  // A failure does not make a renewal come sooner.
  equal(orderAt({ held: held(90), failures, now: at(0) }), at(-3_600_000 + 60 * dayMs));
});

test('a clock that is wrong makes no orders without end: one that was just ordered is let be, and a wait noted in a far future is forgotten', () => {
  const now = at(1_000 * dayMs);
  const justOrdered = { ...held(90), orderedAt: now };
  equal(orderAt({ held: justOrdered, failures: undefined, now }), now + 30 * dayMs);
  // The clock was put right again.
  equal(orderAt({ held: justOrdered, failures: undefined, now: at(0) }), at(-3_600_000 + 60 * dayMs));
  const failures: Failures = { count: 3, triedAt: now, retryAt: (now + minuteMs) as UnixMs };
  equal(orderAt({ held: undefined, failures, now: at(0) }), at(0));
});

test('waits begin at a minute, double to a day, and are spread', () => {
  let failures: Failures | undefined;
  const waits: number[] = [];
  for (let i = 0; i < 14; i++) {
    failures = failedAgain(failures, { now: at(0), luck: 0.5 });
    waits.push((failures.retryAt - T) / minuteMs);
  }
  deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440, 1440]);
  equal(failedAgain(undefined, { now: at(0), luck: 0 }).retryAt, at(45_000));
  ok(failedAgain(undefined, { now: at(0), luck: 0.999 }).retryAt > at(74_000));
});

test('an authority that says when it may be asked again is not asked before, also if somebody reloads', () => {
  const asked = failedAgain(undefined, { now: at(0), luck: 0.5, retryAfterMs: 3 * dayMs });
  equal(asked.retryAt, at(3 * dayMs));
  deepEqual(mayBeMended(asked), asked);
  equal(failedAgain(undefined, { now: at(0), luck: 0.5, retryAfterMs: 1_000 }).retryAt, at(minuteMs));
  equal(orderAt({ held: undefined, failures: asked, now: at(dayMs) }), at(3 * dayMs));
});

test('where something may have been mended it is tried again, once a minute at most', () => {
  const failures: Failures = { count: 9, triedAt: at(0), retryAt: at(256 * minuteMs) };
  equal(mayBeMended(failures).retryAt, at(minuteMs));
  equal(mayBeMended({ ...failures, retryAt: at(50_000) }).retryAt, at(50_000));
});

test('whatever fails whenever: in a day there are at most 12 tries, and one each day after it', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 40, maxLength: 40 }), (lucks) => {
      let now = at(0);
      let failures: Failures | undefined;
      const tries: number[] = [];
      for (const luck of lucks) {
        now = orderAt({ held: undefined, failures, now });
        tries.push(now - T);
        failures = failedAgain(failures, { now, luck });
      }
      ok(tries.filter((when) => when < dayMs).length <= 12);
      // Jitter may shorten a day by a quarter.
      for (const [index, when] of tries.entries()) if (index > 13) ok(when - (tries[index - 1] ?? 0) >= 0.75 * dayMs);
    }),
  );
});
