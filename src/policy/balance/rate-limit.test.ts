import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clientKeyOf, RateLimiter, retryAfterSeconds } from './rate-limit.ts';

test('a burst passes at once, then one per gap; who waits as long as told is let in', () => {
  const limiter = new RateLimiter({ ratePerSecond: 10, burst: 3, maxKeys: 10 });
  deepEqual(
    [0, 0, 0, 0, 50, 100, 100].map((now) => limiter.take('a', now)),
    [0, 0, 0, 100, 50, 0, 100],
  );
  equal(limiter.take('a', 199.5), 0.5);
  equal(limiter.take('b', 100), 0, 'another key has its own');
});

test('over any span at most burst + rate × span pass, and a refused request costs nothing', () => {
  const timesArb = fc.array(fc.nat(400), { maxLength: 200 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), timesArb, (ratePerSecond, burst, gaps) => {
      const limiter = new RateLimiter({ ratePerSecond, burst, maxKeys: 4 });
      const passed: number[] = [];
      let now = 0;
      for (const gap of gaps) {
        now += gap;
        const waitMs = limiter.take('k', now);
        if (waitMs === 0) passed.push(now);
        else {
          // Asking again changes nothing, and at the time that was told it passes.
          if (limiter.take('k', now) !== waitMs) return false;
          now += waitMs + 1e-6;
          if (limiter.take('k', now) !== 0) return false;
          passed.push(now);
        }
      }
      return passed.every((from, i) => passed.slice(i).every((to, n) => n + 1 <= burst + ((to - from) * ratePerSecond) / 1_000 + 1e-3));
    }),
    { numRuns: 60 },
  );
});

test('a client within its rate is never refused', () => {
  const limiter = new RateLimiter({ ratePerSecond: 20, burst: 1, maxKeys: 2 });
  for (let now = 0; now < 10_000; now += 50) equal(limiter.take('a', now), 0);
});

test('the table never holds more than its bound, and forgets whom it has not seen for longest', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 200 }), (keys) => {
      const limiter = new RateLimiter({ ratePerSecond: 0.001, burst: 1, maxKeys: 4 });
      const recent: number[] = [];
      for (const key of keys) {
        const isKnown = recent.includes(key);
        // A known key has used its only request; an unknown one, or one that was forgotten, is let in.
        if ((limiter.take(String(key), 0) === 0) === isKnown) return false;
        if (isKnown) recent.splice(recent.indexOf(key), 1);
        recent.push(key);
        if (recent.length > 4) recent.shift();
        if (limiter.size !== recent.length) return false;
      }
      return true;
    }),
  );
});

test('an IPv6 client is its /64, an IPv4 client itself', () => {
  deepEqual(
    ['203.0.113.7', '::ffff:203.0.113.7', '2001:db8:0:1::5', '2001:DB8:0:1:ffff::', '2001:db8:0:2::5', '::1', 'fe80::1%eth0', '2001:db8::'].map(clientKeyOf),
    ['203.0.113.7', '203.0.113.7', '2001:db8:0:1::/64', '2001:db8:0:1::/64', '2001:db8:0:2::/64', '0:0:0:0::/64', 'fe80:0:0:0::/64', '2001:db8:0:0::/64'],
  );
});

test('Retry-After is whole seconds, rounded up', () => {
  deepEqual([1, 999, 1_000, 1_001].map(retryAfterSeconds), [1, 1, 1, 2]);
  ok(retryAfterSeconds(0) >= 1);
});

test('what remains is what would pass at once, and all of it is there again when told', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.nat(400), { minLength: 1, maxLength: 30 }),
      (burst, rate, pauses) => {
        const limiter = new RateLimiter({ ratePerSecond: rate, burst, maxKeys: 4 });
        let now = 0;
        for (const pauseMs of pauses) {
          now += pauseMs;
          limiter.take('a', now);
        }
        const { remaining, fullInMs } = limiter;
        const copy = new RateLimiter({ ratePerSecond: rate, burst, maxKeys: 4 });
        let replayed = 0;
        for (const pauseMs of pauses) {
          replayed += pauseMs;
          copy.take('a', replayed);
        }
        let passed = 0;
        while (copy.take('a', now) === 0) passed++;
        // A thousandth of a ms for what fractions lose.
        limiter.take('a', now + fullInMs + 0.001);
        return passed === remaining && limiter.remaining === burst - 1;
      },
    ),
  );
});
