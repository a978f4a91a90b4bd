import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '#base/errors';
import { acmeError, problemIn, resultOf, retryAfterMs } from './acme-problem.ts';

const now = Date.parse('2026-11-27T12:00:00Z');

test('Retry-After is understood in seconds and as a date, and believed for a week at most', () => {
  equal(retryAfterMs('120', now), 120_000);
  equal(retryAfterMs('Fri, 27 Nov 2026 12:05:00 GMT', now), 300_000);
  equal(retryAfterMs('Fri, 27 Nov 2026 11:00:00 GMT', now), 0);
  equal(retryAfterMs('99999999', now), 7 * 86_400_000);
  for (const field of [undefined, 'soon', '']) equal(retryAfterMs(field, now), undefined);
});

test('what an authority says becomes one printable line, with its type, and our words where it says nothing', () => {
  const problem = { type: 'urn:ietf:params:acme:error:unauthorized', detail: 'no\r\nsuch\u001b[31m thing' };
  deepEqual(problemIn(problem, 'nothing'), { type: 'unauthorized', detail: 'no such [31m thing' });
  for (const value of [undefined, null, 'text', 7, {}]) deepEqual(problemIn(value, 'nothing'), { type: '', detail: 'nothing' });
  equal(problemIn({ detail: 'x'.repeat(10_000) }, '').detail.length, 300);
});

test('failures are counted by what can be done about them', () => {
  const about = { type: '', detail: 'x' };
  equal(resultOf(acmeError('order', { ...about, type: 'unauthorized' }, { status: 403 })), 'refused');
  equal(resultOf(acmeError('order', { ...about, type: 'rateLimited' }, { status: 400 })), 'limited');
  equal(resultOf(acmeError('order', about, { status: 429 })), 'limited');
  equal(resultOf(acmeError('order', about, { status: 503 })), 'unreachable');
  equal(resultOf(new PlatformError('TIMEOUT', 'x')), 'unreachable');
  equal(resultOf(new PlatformError('LIMIT', 'the disk is full')), 'failed');
  equal(resultOf(new PlatformError('CORRUPT', 'x')), 'failed');
  equal(resultOf(new Error('x')), 'failed');
});
