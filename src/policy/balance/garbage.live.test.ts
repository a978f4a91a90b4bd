import { ok } from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerLatency } from './answer-latency.ts';
import { BALANCERS, makeBalancer } from './balancers.ts';
import { type Pick, PickRequest } from './candidate.ts';
import { ExampleCandidate, exampleLuck } from './candidate-fixture.ts';
import { RateLimiter } from './rate-limit.ts';
import { RetryBudget } from './retry-budget.ts';

/** The compiler works beside us and may take a while. */
const attempts = 20;
const warmCalls = 20_000;
const rounds = 41;
/** So few that hardly a round has a collection in it. */
const calls = 2_000;

/** Bytes that one call leaves on the heap once it is compiled: the median over some rounds, because a collection may fall into one of them. */
function garbagePerCall(call: (i: number) => void): number {
  let bytes = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < attempts && bytes >= 1; attempt++) {
    for (let i = 0; i < warmCalls; i++) call(i);
    const perCall = Array.from({ length: rounds }, () => {
      const before = process.memoryUsage().heapUsed;
      for (let i = 0; i < calls; i++) call(i);
      return (process.memoryUsage().heapUsed - before) / calls;
    });
    bytes = perCall.toSorted((a, b) => a - b)[rounds >> 1] as number;
  }
  return bytes;
}

/** A pick of ten candidates as the gateway calls it: with one request object for all. */
function decide(pick: Pick, latency: ReturnType<typeof makeBalancer>['latency']): (i: number) => void {
  const candidates = Array.from({ length: 10 }, (_, i) => new ExampleCandidate(`web.${i}`, 1 + (i % 3), latency && new AnswerLatency(latency, 0)));
  const request = new PickRequest();
  const luck = exampleLuck(1);
  // Drawn before: a fraction that a function returns may be garbage of its own.
  const times = Float64Array.from({ length: 1_024 }, (_, i) => 0.5 + i / 64);
  const drawn = Float64Array.from({ length: 1_024 }, luck);
  return (i) => {
    request.now = times[i & 1_023] as number;
    request.luck = drawn[i & 1_023] as number;
    request.keyHash = i;
    const picked = pick(candidates, undefined, request) as ExampleCandidate;
    picked.inFlight = (picked.inFlight + 1) & 7;
  };
}

test('no policy leaves garbage behind a decision', () => {
  for (const name of Object.keys(BALANCERS)) {
    const { pick, latency } = makeBalancer(name);
    const bytes = garbagePerCall(decide(pick, latency));
    ok(bytes < 1, `${name} leaves ${bytes.toFixed(1)} bytes a decision`);
  }
});

test('the measurement sees a policy that makes one small object a decision', () => {
  let kept: object = {};
  const wasteful: Pick = (candidates, _excluded, request) => {
    kept = { at: request.now };
    return candidates[0];
  };
  const bytes = garbagePerCall(decide(wasteful, undefined));
  ok(bytes >= 12 && kept !== undefined, `it saw ${bytes.toFixed(1)} bytes a decision`);
});

test('a rate limit of a known client and a retry budget leave none either', () => {
  const limiter = new RateLimiter({ ratePerSecond: 1_000_000, burst: 10, maxKeys: 8 });
  const keys = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
  let now = 0;
  let refused = 0;
  const limiting = garbagePerCall((i) => {
    now++;
    if (limiter.take(keys[i % 3] as string, now) > 0) refused++;
  });
  ok(limiting < 1 && refused === 0, `the limiter leaves ${limiting.toFixed(1)} bytes, with ${refused} refused`);
  const budget = new RetryBudget();
  const counting = garbagePerCall((i) => budget.countRequest(i >> 2));
  ok(counting < 1, `the budget leaves ${counting.toFixed(1)} bytes`);
});
