import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Compare, type LeaseId, MAX_OPERATIONS, MAX_REQUEST_BYTES } from '../store.ts';
import { all, item, type MakeStore, put, rejects, remove, useStore, write } from './store-under-test.ts';

/** Conditions, and all or nothing. */
export function transactionsConformance(makeStore: MakeStore): void {
  const use = useStore(makeStore);
  const holds = async (...compare: Compare[]) => (await use.store.transact({ compare, then: [] })).succeeded;

  test('all writes of one transaction share one revision', async () => {
    await write(use.store, put('old', '1'));
    const result = await use.store.transact({ compare: [], then: [put('a', '1'), remove({ key: 'old' }), put('b', '1')] });
    assert.deepEqual(result, { succeeded: true, revision: 3, results: [{ kind: 'put' }, { kind: 'delete', deleted: 1 }, { kind: 'put' }] });
    assert.deepEqual((await use.store.list(all)).items, [item('a', '1', [3, 3, 1]), item('b', '1', [3, 3, 1])]);
  });

  test('a failed comparison runs the other branch', async () => {
    const compare: Compare[] = [{ key: 'a', target: 'version', is: '>', to: 0 }];
    assert.deepEqual(await use.store.transact({ compare, then: [put('a', '1')] }), { succeeded: false, revision: 1, results: [] });
    const result = await use.store.transact({ compare, then: [], else: [put('a', '2')] });
    assert.deepEqual(result, { succeeded: false, revision: 2, results: [{ kind: 'put' }] });
  });

  test('later operations see earlier ones', async () => {
    await write(use.store, put('a', '1'), put('b', '1'));
    const { results } = await use.store.transact({
      compare: [],
      then: [{ kind: 'read', range: all }, put('c', '1'), remove({ key: 'a' }), { kind: 'read', range: all, limit: 1 }],
    });
    assert.deepEqual(results[0], { kind: 'read', count: 2, items: [item('a', '1', [2, 2, 1]), item('b', '1', [2, 2, 1])] });
    assert.deepEqual(results[3], { kind: 'read', count: 2, items: [item('b', '1', [2, 2, 1])] });
  });

  test('the revision does not move for reads, failed comparisons, missing deletions and leases without keys', async () => {
    await write(use.store, put('a', '1'));
    await use.store.transact({ compare: [], then: [{ kind: 'read', range: all }] });
    await use.store.transact({ compare: [{ key: 'a', target: 'value', is: '=', to: 'x' }], then: [put('a', '2')] });
    assert.deepEqual((await use.store.transact({ compare: [], then: [remove({ prefix: 'zz' })] })).results, [{ kind: 'delete', deleted: 0 }]);
    await use.store.revokeLease((await use.store.grantLease(60_000)).id);
    assert.equal((await use.store.status()).revision, 2);
  });

  test('a missing key compares as zeros and no lease', async () => {
    for (const target of ['version', 'createRevision', 'modRevision'] as const) {
      assert.equal(await holds({ key: 'no', target, is: '=', to: 0 }), true);
      assert.equal(await holds({ key: 'no', target, is: '>', to: 0 }), false);
      assert.equal(await holds({ key: 'no', target, is: '<', to: 1 }), true);
    }
    assert.equal(await holds({ key: 'no', target: 'lease', is: '=', to: '' }), true);
  });

  test('a value comparison of a missing key is false, even "!="', async () => {
    for (const is of ['=', '!=', '<', '>'] as const) assert.equal(await holds({ key: 'no', target: 'value', is, to: 'x' }), false);
  });

  test('each comparison of each target holds exactly when it should', async () => {
    const lease = await use.store.grantLease(60_000);
    await write(use.store, put('a', 'm'));
    await write(use.store, put('a', 'm', lease.id));
    const facts = { version: [1, 2, 3], createRevision: [1, 2, 3], modRevision: [2, 3, 4], value: ['l', 'm', 'n'], lease: ['', lease.id, '~'] } as const;
    for (const [target, [below, same, above]] of Object.entries(facts)) {
      for (const [is, to, wanted] of [
        ['=', same, true],
        ['=', below, false],
        ['!=', same, false],
        ['!=', above, true],
        ['<', above, true],
        ['<', same, false],
        ['>', below, true],
        ['>', same, false],
      ] as const) {
        assert.equal(await holds({ key: 'a', target, is, to } as Compare), wanted, `${target} ${is} ${to}`);
      }
    }
  });

  test('all comparisons must hold', async () => {
    await write(use.store, put('a', '1'));
    const good: Compare = { key: 'a', target: 'value', is: '=', to: '1' };
    assert.equal(await holds(good, good), true);
    assert.equal(await holds(good, { ...good, to: '2' }), false);
  });

  test('of many who compare and set the same revision exactly one succeeds', async () => {
    await write(use.store, put('a', '0'));
    const attempts = await Promise.all(
      Array.from({ length: 20 }, (_, n) => use.store.transact({ compare: [{ key: 'a', target: 'modRevision', is: '=', to: 2 }], then: [put('a', String(n))] })),
    );
    assert.deepEqual(
      attempts.map((each) => each.succeeded),
      Array.from({ length: 20 }, (_, n) => n === 0),
    );
  });

  test('a key written twice is INVALID and nothing of the transaction happens', async () => {
    await write(use.store, put('a', '1'));
    await assert.rejects(write(use.store, put('b', '1'), put('b', '2')), rejects('INVALID'));
    await assert.rejects(write(use.store, put('b', '1'), remove({ prefix: 'b' })), rejects('INVALID'));
    await assert.rejects(write(use.store, remove({ prefix: 'b' }), put('b', '1')), rejects('INVALID'));
    await assert.rejects(use.store.transact({ compare: [], then: [], else: [put('b', '1'), put('b', '1')] }), rejects('INVALID'));
    assert.deepEqual((await use.store.transact({ compare: [], then: [remove({ key: 'a' }), remove({ prefix: 'a' })] })).results, [
      { kind: 'delete', deleted: 1 },
      { kind: 'delete', deleted: 0 },
    ]);
    assert.equal((await use.store.status()).revision, 3);
  });

  test('more than MAX_OPERATIONS is INVALID', async () => {
    const many = Array.from({ length: MAX_OPERATIONS }, (_, n) => put(`k${n}`, ''));
    await assert.rejects(write(use.store, ...many, put('more', '')), rejects('INVALID'));
    await write(use.store, ...many);
    assert.equal((await use.store.status()).keys, MAX_OPERATIONS);
  });

  test('a request over MAX_REQUEST_BYTES of UTF-8 is TOO_LARGE', async () => {
    await assert.rejects(write(use.store, put('a', 'x'.repeat(MAX_REQUEST_BYTES))), rejects('TOO_LARGE'));
    await assert.rejects(write(use.store, put('a', '中'.repeat(MAX_REQUEST_BYTES / 3))), rejects('TOO_LARGE'));
    await write(use.store, put('a', 'x'.repeat(MAX_REQUEST_BYTES - 1)));
    assert.equal((await use.store.get('a'))?.value.length, MAX_REQUEST_BYTES - 1);
  });

  test('a put under an unknown lease is NOT_FOUND and nothing of the transaction happens', async () => {
    await assert.rejects(write(use.store, put('a', '1'), put('b', '1', 'ffff' as LeaseId)), rejects('NOT_FOUND'));
    assert.deepEqual(await use.store.list(all), { items: [], count: 0, revision: 1 });
  });
}
