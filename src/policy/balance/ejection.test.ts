import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  afterError,
  afterFailure,
  afterSlowness,
  afterSuccess,
  DEFAULT_EJECTION,
  EJECTION,
  type EjectionState,
  ejectionPhase,
  HEALTHY,
  isPlainError,
  maxEjected,
} from './ejection.ts';

const among = { backendCount: 3, ejectedCount: 0, luck: 0.5 };

function again(
  after: typeof afterFailure,
  state: EjectionState,
  times: number,
  facts: { now: number; backendCount?: number; ejectedCount?: number },
): EjectionState {
  let next = state;
  for (let i = 0; i < times; i++) next = after(next, { ...among, ...facts });
  return next;
}

test('five failures in a row eject for 10 s, four do not (R-20)', () => {
  equal(again(afterFailure, HEALTHY, 4, { now: 100 }).ejectedUntil, 0);
  deepEqual(again(afterFailure, HEALTHY, 5, { now: 100 }), {
    consecutiveFailures: 5,
    consecutiveErrors: 0,
    timesEjected: 1,
    ejectedUntil: 10_100,
    cause: 'failures',
  });
  const broken = again(afterFailure, HEALTHY, 4, { now: 100 });
  equal(again(afterFailure, afterSuccess(broken, 100), 4, { now: 100 }).ejectedUntil, 0, 'a good answer between them begins anew');
});

test('ten other answers of 5xx in a row eject, counted for themselves, and never among fewer than three (R-20)', () => {
  equal(again(afterError, HEALTHY, 9, { now: 100 }).ejectedUntil, 0);
  equal(again(afterError, HEALTHY, 10, { now: 100 }).cause, 'errors');
  equal(again(afterError, HEALTHY, 100, { now: 100, backendCount: 2 }).ejectedUntil, 0);
  const four = again(afterFailure, HEALTHY, 4, { now: 100 });
  deepEqual(again(afterError, four, 1, { now: 100 }), { ...HEALTHY, consecutiveErrors: 1 }, 'it can be reached');
  equal(again(afterFailure, again(afterError, HEALTHY, 9, { now: 100 }), 1, { now: 100 }).consecutiveErrors, 9, 'a gateway failure is no good answer');
  deepEqual([500, 501, 502, 503, 504, 505, 506, 599, 404, 200].map(isPlainError), [true, false, false, false, false, false, true, true, false, false]);
});

test('each reason can be turned off, and counts are the service’s', () => {
  const off = { ...DEFAULT_EJECTION, failures: 0, errors: 0, slowFactor: 0 };
  let state = HEALTHY;
  for (let i = 0; i < 50; i++) for (const after of [afterFailure, afterError, afterSlowness]) state = after(state, { ...among, now: 5 }, off);
  equal(state.ejectedUntil, 0);
  equal(afterFailure(HEALTHY, { ...among, now: 0 }, { ...DEFAULT_EJECTION, failures: 1, baseMs: 3_000 }).ejectedUntil, 3_000);
});

test('the only backend is never ejected, and at most half of several', () => {
  deepEqual([0, 1, 2, 3, 4, 5].map(maxEjected), [0, 0, 1, 1, 2, 2]);
  equal(again(afterFailure, HEALTHY, 50, { now: 100, backendCount: 1 }).ejectedUntil, 0);
  equal(again(afterFailure, HEALTHY, 50, { now: 100, backendCount: 3, ejectedCount: 1 }).ejectedUntil, 0);
  equal(again(afterSlowness, HEALTHY, 50, { now: 100, backendCount: 3, ejectedCount: 1 }).ejectedUntil, 0);
});

test('after its time one probe is let through, and a failed probe ejects for longer, up to the cap', () => {
  let state = again(afterFailure, HEALTHY, 5, { now: 0 });
  equal(ejectionPhase(state, 9_999), 'out');
  equal(ejectionPhase(state, 10_000), 'half-open');
  state = again(afterFailure, state, 1, { now: 10_000, ejectedCount: 1 });
  deepEqual([state.timesEjected, state.ejectedUntil], [2, 30_000]);
  for (let i = 0; i < 40; i++) state = again(afterFailure, state, 1, { now: state.ejectedUntil });
  const last = again(afterFailure, state, 1, { now: state.ejectedUntil });
  equal(last.ejectedUntil - state.ejectedUntil, EJECTION.capMs);
});

test('a probe brings back who was ejected for failures with any other answer, who was for errors or slowness only with a good one', () => {
  const failed = again(afterFailure, HEALTHY, 5, { now: 0 });
  deepEqual(again(afterError, failed, 1, { now: 10_000 }), { ...HEALTHY, consecutiveErrors: 1 });
  const erring = again(afterError, HEALTHY, 10, { now: 0 });
  equal(again(afterError, erring, 1, { now: 10_000 }).timesEjected, 2);
  const slow = afterSlowness(HEALTHY, { ...among, now: 0 });
  deepEqual([slow.cause, again(afterSlowness, slow, 1, { now: 10_000 }).timesEjected], ['slow', 2]);
  for (const state of [failed, erring, slow]) equal(afterSuccess(state, 10_000), HEALTHY);
});

test('what was under way when it was ejected neither lengthens the ejection nor ends it', () => {
  for (const state of [again(afterFailure, HEALTHY, 5, { now: 0 }), again(afterError, HEALTHY, 10, { now: 0 }), afterSlowness(HEALTHY, { ...among, now: 0 })]) {
    equal(again(afterFailure, state, 10, { now: 50 }).ejectedUntil, state.ejectedUntil);
    equal(again(afterError, state, 10, { now: 50 }).ejectedUntil, state.ejectedUntil);
    equal(afterSuccess(state, 50), state);
  }
});

test('whatever happens, an ejection is spread by a fifth and never longer than the cap', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (timesEjected, luck) => {
      const before: EjectionState = { ...HEALTHY, timesEjected };
      const { ejectedUntil } = afterSlowness(before, { ...among, now: 0, luck });
      const meanMs = DEFAULT_EJECTION.baseMs * (timesEjected + 1);
      ok(ejectedUntil <= EJECTION.capMs);
      return ejectedUntil >= Math.min(EJECTION.capMs, 0.8 * meanMs) && ejectedUntil <= 1.2 * meanMs;
    }),
  );
});
