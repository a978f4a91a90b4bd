import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideRetry, retryDelayMs, type TryFacts } from './retry.ts';
import { RETRY_BUDGET, RetryBudget } from './retry-budget.ts';

const stuckGet: TryFacts = { failure: 'empty', answerStarted: false, requestSent: true, idempotent: true, replayable: true, tries: 1, budgetLeft: true };

function verdict(facts: Partial<TryFacts>): string {
  const decision = decideRetry({ ...stuckGet, ...facts });
  return decision.retry ? 'retry' : decision.because;
}

test('R-08: a try is repeated when nothing can happen twice', () => {
  const table: readonly (readonly [string, Partial<TryFacts>])[] = [
    ['retry', {}],
    ['retry', { failure: 'stale' }],
    ['retry', { failure: 'silent' }],
    ['retry', { failure: 'refused', requestSent: false, idempotent: false }],
    ['not-safe', { idempotent: false }],
    ['not-safe', { idempotent: false, failure: 'stale' }],
    ['not-safe', { idempotent: false, failure: 'silent' }],
    ['answer-started', { answerStarted: true }],
    ['not-kept', { replayable: false }],
    ['tries', { tries: 3 }],
    ['budget', { budgetLeft: false }],
    ['final', { failure: 'timeout' }],
    ['final', { failure: 'malformed' }],
    ['final', { failure: 'malformed', optedIn: true }],
    // Only where the service asks for it, and then under the same rules.
    ['final', { failure: 'status' }],
    ['retry', { failure: 'status', optedIn: true }],
    ['retry', { failure: 'timeout', optedIn: true }],
    ['not-safe', { failure: 'status', optedIn: true, idempotent: false }],
    ['tries', { failure: 'status', optedIn: true, tries: 3 }],
    ['tries', { tries: 1, maxTries: 1 }],
    ['retry', { tries: 4, maxTries: 5 }],
  ];
  deepEqual(
    table.map(([, facts]) => verdict(facts)),
    table.map(([expected]) => expected),
  );
});

test('a request that is not idempotent is never repeated once a byte of it was sent, whatever else holds', () => {
  const facts = fc.record({
    failure: fc.constantFrom<TryFacts['failure']>('stale', 'empty', 'silent', 'timeout', 'status', 'malformed'),
    optedIn: fc.boolean(),
    answerStarted: fc.boolean(),
    requestSent: fc.constant(true),
    idempotent: fc.constant(false),
    replayable: fc.boolean(),
    tries: fc.integer({ min: 1, max: 5 }),
    budgetLeft: fc.boolean(),
  });
  fc.assert(fc.property(facts, (all) => !decideRetry(all).retry));
});

test('R-09: another server at once after what concerns one server, else a random time that doubles from 25 up to 250 ms', () => {
  deepEqual(
    (['refused', 'stale', 'silent'] as const).map((failure) => retryDelayMs(failure, 1, 0.9)),
    [0, 0, 0],
  );
  deepEqual(
    [1, 2, 3, 4, 5, 9].map((tries) => retryDelayMs('status', tries, 1)),
    [25, 50, 100, 200, 250, 250],
  );
  equal(retryDelayMs('empty', 1, 0), 0);
});

test('R-10: the budget is 20 % of the requests of 10 s and 10 retries a second', () => {
  const budget = new RetryBudget();
  const takeAll = (now: number) => {
    let taken = 0;
    while (budget.take(now)) taken++;
    return taken;
  };
  equal(takeAll(1_000), 100);
  equal(takeAll(1_500), 0);
  for (let i = 0; i < 1_000; i++) budget.countRequest(2_000);
  equal(takeAll(2_000), 200);
  equal(takeAll(1_000 + RETRY_BUDGET.windowMs), 100);
  equal(takeAll(100_000), 100);
});
