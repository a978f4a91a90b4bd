import { deepEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { UnixMs } from '#world/world';
import { type Dated, planRenewals } from './renewal-plan.ts';

const hourMs = 3_600_000;

function dated(fromHours: number, toHours: number): Dated {
  return { validFrom: (fromHours * hourMs) as UnixMs, validTo: (toHours * hourMs) as UnixMs };
}

function at(hours: number): UnixMs {
  return (hours * hourMs) as UnixMs;
}

test('a certificate is due once two thirds of its life are over, not before, and of the others the first says when to look again', () => {
  const soon = dated(0, 30);
  const later = dated(0, 60);
  deepEqual(planRenewals([soon, later], at(19)), { due: [], nextAt: at(20) });
  deepEqual(planRenewals([soon, later], at(20)), { due: [soon], nextAt: at(40) });
  deepEqual(planRenewals([later, soon], at(40)), { due: [later, soon], nextAt: undefined });
  deepEqual(planRenewals([], at(1)), { due: [], nextAt: undefined });
});

test('one that has expired is due, and one that is not valid yet because a clock was wrong', () => {
  const past = dated(0, 10);
  const future = dated(100, 200);
  deepEqual(planRenewals([past, future], at(50)).due, [past, future]);
});

test('whatever the dates: at the moment that is told something is due, and a millisecond before nothing is', () => {
  const hours = fc.integer({ min: 0, max: 1_000 });
  const certificate = fc.tuple(hours, fc.integer({ min: 1, max: 1_000 })).map(([from, life]) => dated(from, from + life));
  fc.assert(
    fc.property(fc.array(certificate, { maxLength: 8 }), hours, (certificates, now) => {
      const { due, nextAt } = planRenewals(certificates, at(now));
      const others = certificates.filter((one) => !due.includes(one));
      deepEqual(nextAt === undefined, others.length === 0);
      if (nextAt === undefined) return;
      ok(planRenewals(others, nextAt).due.length > 0);
      deepEqual(planRenewals(others, (nextAt - 1) as UnixMs).due, []);
    }),
  );
});
