import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyRange } from '../store.ts';
import { all, at, item, type MakeStore, put, rejects, remove, useStore, write } from './store-under-test.ts';

/** Reads and writes of keys. */
export function readsAndWritesConformance(makeStore: MakeStore): void {
  const use = useStore(makeStore);

  test('an empty store is at revision 1', async () => {
    assert.deepEqual(await use.store.status(), { revision: 1, oldest: 1, keys: 0 });
    assert.deepEqual(await use.store.list(all), { items: [], count: 0, revision: 1 });
    assert.equal(await use.store.get('a'), undefined);
  });

  test('a key counts its puts and remembers when it was made and changed', async () => {
    assert.equal(await write(use.store, put('a', '1')), 2);
    await write(use.store, put('b', 'x'));
    await write(use.store, put('a', '2'));
    assert.deepEqual(await use.store.get('a'), item('a', '2', [2, 4, 2]));
  });

  test('a key made again after its deletion begins at version 1', async () => {
    await write(use.store, put('a', '1'));
    await write(use.store, remove({ key: 'a' }));
    assert.equal(await use.store.get('a'), undefined);
    await write(use.store, put('a', '2'));
    assert.deepEqual(await use.store.get('a'), item('a', '2', [4, 4, 1]));
  });

  test('keys are ordered by their UTF-8 bytes', async () => {
    // In UTF-16 units the emoji would come before U+FF5E.
    const keys = ['', 'a', 'a\u0000', 'a/', 'ab', 'b', 'z', 'é', '中', '\uff5e', '😀', '😁'].slice(1);
    await write(use.store, ...[...keys].reverse().map((key) => put(key, key)));
    assert.deepEqual(
      (await use.store.list(all)).items.map((each) => each.key),
      keys,
    );
    assert.deepEqual(
      (await use.store.list({ from: '\uff5e', before: '😁' })).items.map((each) => each.key),
      ['\uff5e', '😀'],
    );
  });

  test('values and keys keep every character', async () => {
    const text = 'nul \u0000 quote \' " \\ newline \n é 中 😀 \u{10ffff} \ufffd end';
    await write(use.store, put(text, text), put('empty', ''));
    assert.equal((await use.store.get(text))?.value, text);
    assert.equal((await use.store.get('empty'))?.value, '');
  });

  test('a range is a key, a prefix or an interval without its end', async () => {
    await write(use.store, ...['a', 'a/1', 'a/2', 'a0', 'b'].map((key) => put(key, key)));
    const keysOf = async (range: KeyRange) => (await use.store.list(range)).items.map((each) => each.key);
    assert.deepEqual(await keysOf({ key: 'a' }), ['a']);
    assert.deepEqual(await keysOf({ prefix: 'a/' }), ['a/1', 'a/2']);
    assert.deepEqual(await keysOf({ from: 'a/2', before: 'b' }), ['a/2', 'a0']);
    assert.deepEqual(await keysOf({ from: 'b', before: 'a' }), []);
    assert.deepEqual(await keysOf({ prefix: '' }), ['a', 'a/1', 'a/2', 'a0', 'b']);
  });

  test('a limit shortens the items and not the count', async () => {
    await write(use.store, put('a', '1'), put('b', '2'), put('c', '3'));
    const { items, count } = await use.store.list(all, { limit: 2 });
    assert.deepEqual([items.map((each) => each.key), count], [['a', 'b'], 3]);
  });

  test('an empty key is INVALID wherever it stands', async () => {
    await assert.rejects(use.store.get(''), rejects('INVALID'));
    await assert.rejects(use.store.list({ key: '' }), rejects('INVALID'));
    await assert.rejects(write(use.store, put('', 'x')), rejects('INVALID'));
    await assert.rejects(write(use.store, remove({ key: '' })), rejects('INVALID'));
    await assert.rejects(use.store.transact({ compare: [{ key: '', target: 'version', is: '=', to: 0 }], then: [] }), rejects('INVALID'));
  });

  test('text without a UTF-8 form is INVALID', async () => {
    await assert.rejects(write(use.store, put('a\ud800', 'x')), rejects('INVALID'));
    await assert.rejects(write(use.store, put('a', '\udc00')), rejects('INVALID'));
  });

  test('writes asked at once take effect in the order of the calls, each in its own revision', async () => {
    const revisions = await Promise.all(Array.from({ length: 200 }, (_, n) => write(use.store, put('a', String(n)))));
    assert.deepEqual(
      revisions,
      Array.from({ length: 200 }, (_, n) => n + 2),
    );
    assert.deepEqual(await use.store.get('a'), item('a', '199', [2, 201, 200]));
  });

  test('an aborted signal ends a request with its reason', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(use.store.get('a', { signal }), reason);
    await assert.rejects(use.store.transact({ compare: [], then: [put('a', '1')] }, { signal }), reason);
    assert.equal((await use.store.status()).revision, 1);
  });
}

/** Reads at a revision, and compaction. */
export function historyConformance(makeStore: MakeStore): void {
  const use = useStore(makeStore);

  test('a read at a revision shows the store as it was', async () => {
    await write(use.store, put('a', '1'));
    await write(use.store, put('b', '1'));
    await write(use.store, remove({ key: 'a' }), put('b', '2'));
    assert.deepEqual((await use.store.list(all, { revision: at(2) })).items, [item('a', '1', [2, 2, 1])]);
    assert.deepEqual(await use.store.list(all, { revision: at(3) }), { items: [item('a', '1', [2, 2, 1]), item('b', '1', [3, 3, 1])], count: 2, revision: 4 });
    assert.equal((await use.store.get('b', { revision: at(3) }))?.value, '1');
    assert.equal(await use.store.get('a', { revision: at(4) }), undefined);
    assert.equal(await use.store.get('a', { revision: at(1) }), undefined);
  });

  test('a revision that does not exist yet is FUTURE_REVISION', async () => {
    await assert.rejects(use.store.get('a', { revision: at(2) }), rejects('FUTURE_REVISION'));
    await assert.rejects(use.store.list(all, { revision: at(9) }), rejects('FUTURE_REVISION'));
    await assert.rejects(use.store.compact(at(2)), rejects('FUTURE_REVISION'));
  });

  test('after compaction its revision is readable and older ones are COMPACTED', async () => {
    for (const value of ['1', '2', '3', '4']) await write(use.store, put('a', value));
    await write(use.store, put('gone', 'x'));
    await write(use.store, remove({ key: 'gone' }));
    await use.store.compact(at(4));
    assert.equal((await use.store.get('a', { revision: at(4) }))?.value, '3');
    assert.deepEqual(await use.store.get('a'), item('a', '4', [2, 5, 4]));
    await assert.rejects(use.store.get('a', { revision: at(3) }), rejects('COMPACTED', { oldest: 4 }));
    await assert.rejects(use.store.list(all, { revision: at(1) }), rejects('COMPACTED', { oldest: 4 }));
    assert.equal((await use.store.status()).oldest, 4);
    await use.store.compact(at(7));
    assert.deepEqual(
      (await use.store.list(all)).items.map((each) => each.key),
      ['a'],
    );
  });

  test('compacting what has been compacted is COMPACTED', async () => {
    for (const value of ['1', '2', '3']) await write(use.store, put('a', value));
    await use.store.compact(at(3));
    await assert.rejects(use.store.compact(at(3)), rejects('COMPACTED', { oldest: 3 }));
    await assert.rejects(use.store.compact(at(2)), rejects('COMPACTED', { oldest: 3 }));
  });

  test('what has not happened yet cannot be compacted', async () => {
    for (const value of ['1', '2', '3']) await write(use.store, put('a', value));
    await assert.rejects(use.store.compact(at(5)), rejects('FUTURE_REVISION', { revision: 5, current: 4 }));
    assert.equal((await use.store.status()).oldest, 1);
  });
}
