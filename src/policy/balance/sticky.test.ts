import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exampleCandidates } from './candidate-fixture.ts';
import { cookieIn, pickBound, setCookieLine } from './sticky.ts';

test('the cookie names a candidate as long as it is there, weighs something and was not tried', () => {
  const candidates = exampleCandidates([1, 1, 0]).map((candidate) => Object.assign(candidate, { stickyToken: `token-${candidate.id}` }));
  const [a, b] = candidates;
  equal(pickBound(candidates, undefined, 'token-b'), b);
  equal(pickBound(candidates, b && [b], 'token-b'), undefined);
  equal(pickBound(candidates, undefined, 'token-c'), undefined, 'it weighs nothing');
  equal(pickBound(a ? [a] : [], undefined, 'token-b'), undefined, 'it is gone');
  equal(pickBound(candidates, undefined, ''), undefined);
});

test('a cookie is found among others by its whole name, whatever stands around it', () => {
  equal(cookieIn('a=1; haven=x2; haven2=3', 'haven'), 'x2');
  equal(cookieIn('xhaven=1;haven=2', 'haven'), '2');
  equal(cookieIn('haven', 'haven'), '');
  equal(cookieIn('', 'haven'), '');
  equal(cookieIn('haven=first; haven=second', 'haven'), 'first');
  const word = fc.stringMatching(/^[a-z]{1,6}$/);
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(word, word), { maxLength: 6, selector: ([name]) => name }), (pairs) => {
      const field = pairs.map(([name, value]) => `${name}=${value}`).join('; ');
      return pairs.every(([name, value]) => cookieIn(field, name) === value);
    }),
  );
});

test('the line that binds a client', () => {
  equal(setCookieLine({ name: 'haven', token: 'abc', ttlMs: 0, secure: false }), 'Set-Cookie: haven=abc; Path=/; HttpOnly; SameSite=Lax\r\n');
  equal(
    setCookieLine({ name: 'haven', token: 'abc', ttlMs: 60_000, secure: true }),
    'Set-Cookie: haven=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure\r\n',
  );
});
