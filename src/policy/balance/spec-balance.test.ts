import { deepEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { resolveApp } from '#model/resolve-spec';
import { balanceIssuesOf } from './spec-balance.ts';

function specWith(balance: string) {
  const resolved = resolveApp({ name: 'shop', web: { run: { process: 'node server.js' }, port: 3000, balance } });
  ok(resolved.ok);
  return resolved.spec;
}

test('a policy of an app that does not exist is an issue at its place; one that does is kept', () => {
  deepEqual(balanceIssuesOf(specWith('peak-ewma?decay=5s')), []);
  deepEqual(specWith('peak-ewma?decay=5s').services['web']?.balance, 'peak-ewma?decay=5s');
  const [issue] = balanceIssuesOf(specWith('peak-emwa'));
  deepEqual(issue?.path, ['web', 'balance']);
  ok(issue?.message.includes('did you mean "peak-ewma"'));
});
