import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideRetry, type TryFacts } from './retry.ts';
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
  ];
  deepEqual(
    table.map(([, facts]) => verdict(facts)),
    table.map(([expected]) => expected),
  );
});

test('a request that is not idempotent is never repeated once a byte of it was sent, whatever else holds', () => {
  const facts = fc.record({
    failure: fc.constantFrom<TryFacts['failure']>('stale', 'empty', 'silent', 'timeout', 'malformed'),
    answerStarted: fc.boolean(),
    requestSent: fc.constant(true),
    idempotent: fc.constant(false),
    replayable: fc.boolean(),
    tries: fc.integer({ min: 1, max: 5 }),
    budgetLeft: fc.boolean(),
  });
  fc.assert(fc.property(facts, (all) => !decideRetry(all).retry));
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
