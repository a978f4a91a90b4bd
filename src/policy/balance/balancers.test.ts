import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AnswerLatency } from './answer-latency.ts';
import { BALANCERS, makeBalancer } from './balancers.ts';
import { ExampleCandidate, exampleCandidates, exampleLuck } from './candidate-fixture.ts';

const poolArb = fc.array(
  fc.record({
    weight: fc.constantFrom(0, 0.1, 1, 2, 5),
    inFlight: fc.nat(20),
    isTried: fc.boolean(),
    answerMs: fc.double({ min: 0.1, max: 1_000, noNaN: true }),
  }),
  { minLength: 0, maxLength: 12 },
);
const requestArb = fc.record({ now: fc.nat(1_000_000), luck: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), keyHash: fc.nat(2 ** 32 - 1) });

test('every policy picks somebody who weighs something and was not tried, whenever there is one', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(BALANCERS)), poolArb, requestArb, (name, pool, request) => {
      const balancer = makeBalancer(name);
      const candidates = pool.map(({ weight, inFlight, answerMs }, index) => {
        const candidate = new ExampleCandidate(`web.${index}`, weight, balancer.latency && new AnswerLatency(balancer.latency, 0));
        candidate.inFlight = inFlight;
        candidate.latency?.answered(answerMs, request.now);
        return candidate;
      });
      const tried = candidates.filter((_, index) => pool[index]?.isTried);
      const free = candidates.filter((candidate) => candidate.weight > 0 && !tried.includes(candidate));
      const picked = balancer.pick(candidates, tried.length === 0 ? undefined : tried, request);
      return free.length === 0 ? picked === undefined : picked !== undefined && free.includes(picked);
    }),
    { numRuns: 500 },
  );
});

test('a policy string comes back in canonical form, and a wrong one is INVALID with what is known', () => {
  equal(makeBalancer('round-robin').text, 'round-robin');
  equal(makeBalancer('peak-ewma?decay=5000ms&penalty=0.5s').text, 'peak-ewma?decay=5s&penalty=500ms');
  deepEqual(makeBalancer('hash?on=header:X-User&load=1.5').affinity, { kind: 'header', name: 'x-user' });
  equal(makeBalancer('hash?on=header:X-User').text, 'hash?on=header:x-user');
  deepEqual(makeBalancer('maglev?on=path&size=1021').affinity, { kind: 'path' });
  deepEqual(makeBalancer('sticky?cookie=shop&ttl=1h').sticky, { cookie: 'shop', ttlMs: 3_600_000 });
  for (const [text, message] of [
    [
      'peak-emwa',
      /is not a policy; did you mean "peak-ewma"\? known: round-robin, least-request, p2c, peak-ewma, join-idle-queue, ring-hash, maglev, hash, sticky/,
    ],
    ['toString', /not a policy name/],
    ['hash?on=moon', /"on" is "moon", but it must be client, path, or header:NAME/],
    ['hash?load=1', /a number from 1.05 to 100/],
    ['ring-hash?points=1', /a whole number from 10 to 1000/],
    ['maglev?size=1000', /one of 65537, 1021, 16381/],
    ['sticky?cookie=a b', /the name of a cookie/],
    ['round-robin?x=1', /it takes no options/],
  ] as const)
    throws(() => makeBalancer(text), { code: 'INVALID', message });
});

test('least request picks the fewest in flight for its weight, and takes turns by weight among equals', () => {
  const { pick } = makeBalancer('least-request');
  const candidates = exampleCandidates([2, 1, 1]);
  const [a, b, c] = candidates as [ExampleCandidate, ExampleCandidate, ExampleCandidate];
  const request = { now: 0, luck: 0, keyHash: 0 };
  a.inFlight = 3;
  b.inFlight = 2;
  c.inFlight = 2;
  equal(pick(candidates, undefined, request), a, '3 of weight 2 are fewer than 2 of weight 1');
  a.inFlight = 5;
  equal(Array.from({ length: 4 }, () => pick(candidates, undefined, request)?.id).join(''), 'bcbc');
  for (const candidate of candidates) candidate.inFlight = 0;
  const counts = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    const id = pick(candidates, undefined, request)?.id ?? '-';
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  deepEqual(Object.fromEntries(counts), { a: 200, b: 100, c: 100 });
});

test('least request never picks one that has more for its weight than another', () => {
  const { pick } = makeBalancer('least-request');
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(30)), { minLength: 1, maxLength: 10 }), (pool) => {
      const candidates = exampleCandidates(pool.map(([weight]) => weight));
      candidates.forEach((candidate, index) => {
        candidate.inFlight = pool[index]?.[1] ?? 0;
      });
      const picked = pick(candidates, undefined, { now: 0, luck: 0, keyHash: 0 }) as ExampleCandidate;
      return candidates.every(({ inFlight, weight }) => picked.inFlight * weight <= inFlight * picked.weight);
    }),
  );
});

test('two choices draws every pair equally often, and never picks the costliest', () => {
  const balancer = makeBalancer('peak-ewma');
  const candidates = [10, 20, 40, 80].map((answerMs, index) => {
    const candidate = new ExampleCandidate(`web.${index}`, 1, new AnswerLatency({ decayMs: 10_000, penaltyMs: 1_000, initialMs: 1 }, 0));
    candidate.latency?.answered(answerMs, 0);
    return candidate;
  });
  const luck = exampleLuck(7);
  const counts = new Map<ExampleCandidate | undefined, number>();
  const rounds = 60_000;
  for (let i = 0; i < rounds; i++) {
    const picked = balancer.pick(candidates, undefined, { now: 0, luck: luck(), keyHash: 0 });
    counts.set(picked, (counts.get(picked) ?? 0) + 1);
  }
  // Of the six pairs the quickest wins three, the next two, the next one.
  const shares = candidates.map((candidate) => (counts.get(candidate) ?? 0) / rounds);
  [3 / 6, 2 / 6, 1 / 6, 0].forEach((expected, index) => {
    ok(Math.abs((shares[index] ?? 0) - expected) < 0.01, shares.join(' '));
  });
});

test('two choices without latencies picks the one of the two with less to do for its weight, so the busiest never', () => {
  const { pick, latency } = makeBalancer('p2c');
  equal(latency, undefined, 'nothing is measured for it');
  const candidates = exampleCandidates([1, 1, 2]);
  [3, 1, 7].forEach((inFlight, index) => {
    (candidates[index] as ExampleCandidate).inFlight = inFlight;
  });
  const luck = exampleLuck(5);
  const picked = Array.from({ length: 3_000 }, () => pick(candidates, undefined, { now: 0, luck: luck(), keyHash: 0 })?.id);
  // Costs for one more are 4, 2 and 4: b wins both of its pairs; of a and c, equal, the first drawn.
  const shareOfB = picked.filter((id) => id === 'b').length / picked.length;
  ok(Math.abs(shareOfB - 2 / 3) < 0.03, String(shareOfB));
  (candidates[2] as ExampleCandidate).inFlight = 9;
  equal(Array.from({ length: 500 }, () => pick(candidates, undefined, { now: 0, luck: luck(), keyHash: 0 })?.id).includes('c'), false);
});

test('of two that answer alike, the one with less to do for its weight', () => {
  const { pick, latency } = makeBalancer('peak-ewma');
  const [a, b] = [
    new ExampleCandidate('a', 1, latency && new AnswerLatency(latency, 0)),
    new ExampleCandidate('b', 4, latency && new AnswerLatency(latency, 0)),
  ];
  a.inFlight = 2;
  b.inFlight = 8;
  equal(pick([a, b], undefined, { now: 0, luck: 0, keyHash: 0 }), b, 'nine of weight 4 are fewer than three of weight 1');
  b.inFlight = 12;
  equal(pick([a, b], undefined, { now: 0, luck: 0.9, keyHash: 0 }), a);
});

/** Shares of the requests of three backends, the first of which fails or answers at once; the others take 20 ms. One request every ms for 20 s. */
function sharesBeside(first: { readonly fails: boolean; readonly afterMs: number }): readonly number[] {
  const { pick, latency } = makeBalancer('peak-ewma');
  const candidates = [0, 1, 2].map((index) => new ExampleCandidate(`web.${index}`, 1, latency && new AnswerLatency(latency, 0)));
  const luck = exampleLuck(3);
  const counts = [0, 0, 0];
  const ends: { readonly at: number; readonly index: number; readonly tookMs: number }[] = [];
  for (let now = 0; now < 20_000; now++) {
    for (let i = ends.length - 1; i >= 0; i--) {
      const end = ends[i];
      if (end === undefined || end.at > now) continue;
      const candidate = candidates[end.index] as ExampleCandidate;
      candidate.inFlight--;
      if (end.index === 0 && first.fails) candidate.latency?.failed(end.tookMs, now);
      else candidate.latency?.answered(end.tookMs, now);
      ends.splice(i, 1);
    }
    const picked = pick(candidates, undefined, { now, luck: luck(), keyHash: 0 }) as ExampleCandidate;
    const index = candidates.indexOf(picked);
    picked.inFlight++;
    counts[index] = (counts[index] ?? 0) + 1;
    const tookMs = index === 0 ? first.afterMs : 20;
    ends.push({ at: now + tookMs, index, tookMs });
  }
  return counts.map((count) => count / 20_000);
}

test('who fails fast is no black hole: it gets hardly anything, while one that is really fast gets most', () => {
  const [failing = 1] = sharesBeside({ fails: true, afterMs: 1 });
  ok(failing < 0.02, `the failing one got ${failing}`);
  const [fast = 0] = sharesBeside({ fails: false, afterMs: 1 });
  ok(fast > 0.6, `the fast one got ${fast}`);
});

test('latency jumps up at once, stays between what was seen, fades while nothing is heard, and never falls by a failure', () => {
  const options = { decayMs: 10_000, penaltyMs: 1_000, initialMs: 30 };
  const peak = new AnswerLatency(options, 0);
  peak.answered(500, 1);
  equal(peak.costMs(1), 500);
  ok(Math.abs(peak.costMs(10_001) - 500 / Math.E) < 1e-9);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5_000), fc.double({ min: 0.1, max: 2_000, noNaN: true }), fc.boolean()), { maxLength: 30 }), (events) => {
      const latency = new AnswerLatency(options, 0);
      let now = 0;
      let most = options.initialMs;
      for (const [gapMs, tookMs, fails] of events) {
        now += gapMs;
        const before = latency.costMs(now);
        if (fails) latency.failed(tookMs, now);
        else latency.answered(tookMs, now);
        const after = latency.costMs(now);
        most = Math.max(most, tookMs, fails ? options.penaltyMs : 0);
        if (fails && (after < before || after < options.penaltyMs)) return false;
        if (after > most + 1e-9 || (!fails && after < Math.min(before, tookMs) - 1e-9)) return false;
      }
      return true;
    }),
  );
});
