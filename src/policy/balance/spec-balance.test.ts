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

test('a policy that looks at requests is an issue where there are none', () => {
  const issuesWith = (balance: string) => {
    const resolved = resolveApp({ name: 'shop', db: { run: { process: 'node db.js' }, port: 5432, routes: [{ tcp: 5432 }], balance } });
    ok(resolved.ok);
    return balanceIssuesOf(resolved.spec);
  };
  for (const balance of ['hash', 'least-request', 'maglev']) deepEqual(issuesWith(balance), []);
  for (const balance of ['sticky', 'hash?on=path', 'ring-hash?on=header:x-user']) {
    const [issue] = issuesWith(balance);
    deepEqual(issue?.path, ['db', 'balance']);
    ok(issue?.message.includes('looks at requests'));
  }
});
