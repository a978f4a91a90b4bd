import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { afterFailure, EJECTION, type EjectionState, ejectionPhase, HEALTHY, maxEjected } from './ejection.ts';

function fail(state: EjectionState, times: number, facts: { now: number; backendCount?: number; ejectedCount?: number }): EjectionState {
  let next = state;
  for (let i = 0; i < times; i++) next = afterFailure(next, { backendCount: 3, ejectedCount: 0, luck: 0.5, ...facts });
  return next;
}

test('five failures in a row eject for 10 s, four do not', () => {
  equal(fail(HEALTHY, 4, { now: 100 }).ejectedUntil, 0);
  deepEqual(fail(HEALTHY, 5, { now: 100 }), { consecutiveFailures: 5, timesEjected: 1, ejectedUntil: 10_100 });
});

test('the only backend is never ejected, and at most half of several', () => {
  deepEqual([0, 1, 2, 3, 4, 5].map(maxEjected), [0, 0, 1, 1, 2, 2]);
  equal(fail(HEALTHY, 50, { now: 100, backendCount: 1 }).ejectedUntil, 0);
  equal(fail(HEALTHY, 50, { now: 100, backendCount: 3, ejectedCount: 1 }).ejectedUntil, 0);
});

test('after its time one probe is let through, and a failed probe ejects for longer, up to the cap', () => {
  let state = fail(HEALTHY, 5, { now: 0 });
  equal(ejectionPhase(state, 9_999), 'out');
  equal(ejectionPhase(state, 10_000), 'half-open');
  state = fail(state, 1, { now: 10_000 });
  deepEqual([state.timesEjected, state.ejectedUntil], [2, 30_000]);
  for (let i = 0; i < 40; i++) state = fail(state, 1, { now: state.ejectedUntil });
  const last = fail(state, 1, { now: state.ejectedUntil });
  equal(last.ejectedUntil - state.ejectedUntil, EJECTION.capMs);
});

test('failures of requests that were under way when it was ejected do not lengthen the ejection', () => {
  const state = fail(HEALTHY, 5, { now: 0 });
  equal(fail(state, 10, { now: 50 }).ejectedUntil, state.ejectedUntil);
});
