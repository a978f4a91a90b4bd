import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { hasCode } from '#base/errors';
import {
  type Compare,
  type KeyRange,
  type KeyValue,
  type LeaseId,
  MAX_OPERATIONS,
  MAX_REQUEST_BYTES,
  MAX_WATCH_BACKLOG,
  type Operation,
  type Revision,
  type Store,
  type WatchBatch,
} from '../store.ts';

/** A store under test and the world it lives in. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: Store;
  /** Lets so much time pass in the store's world. */
  sleep(delayMs: number): Promise<void>;
}

type MakeStore = () => Promise<StoreUnderTest>;

/** Claims that hold for every store: the semantics of etcd v3 by name. Call it in a test file. */
export function storeConformance(name: string, makeStore: MakeStore): void {
  describe(`${name}: reads and writes`, () => readsAndWrites(makeStore));
  describe(`${name}: transactions`, () => transactions(makeStore));
  describe(`${name}: history`, () => history(makeStore));
  describe(`${name}: watches`, () => watches(makeStore));
  describe(`${name}: leases`, () => leases(makeStore));
}

function useStore(makeStore: MakeStore): { readonly store: Store; readonly signal: AbortSignal; sleep(delayMs: number): Promise<void> } {
  let current: StoreUnderTest | undefined;
  let controller = new AbortController();
  beforeEach(async () => {
    controller = new AbortController();
    current = await makeStore();
  });
  afterEach(async () => {
    controller.abort();
    await current?.[Symbol.asyncDispose]();
  });
  const made = () => current ?? assert.fail('no store');
  return {
    get store() {
      return made().store;
    },
    get signal() {
      return controller.signal;
    },
    sleep: (delayMs) => made().sleep(delayMs),
  };
}

function put(key: string, value: string, lease?: LeaseId): Operation {
  return { kind: 'put', key, value, ...(lease ? { lease } : {}) };
}

function remove(range: KeyRange): Operation {
  return { kind: 'delete', range };
}

async function write(store: Store, ...then: Operation[]): Promise<Revision> {
  return (await store.transact({ compare: [], then })).revision;
}

function rejects(code: Parameters<typeof hasCode>[1], details: Record<string, unknown> = {}): (error: unknown) => boolean {
  return (error) => {
    if (!hasCode(error, code)) throw error;
    assert.deepEqual({ ...error.details, ...details }, error.details);
    return true;
  };
}

function item(key: string, value: string, [createRevision, modRevision, version]: readonly [number, number, number]): KeyValue {
  return { key, value, createRevision: createRevision as Revision, modRevision: modRevision as Revision, version };
}

const at = (revision: number) => revision as Revision;
const all: KeyRange = { prefix: '' };

function readsAndWrites(makeStore: MakeStore): void {
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

function transactions(makeStore: MakeStore): void {
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

function history(makeStore: MakeStore): void {
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
}

/** The next `count` batches with events. */
async function take(batches: AsyncIterable<WatchBatch>, count: number): Promise<WatchBatch[]> {
  const taken: WatchBatch[] = [];
  const iterator = batches[Symbol.asyncIterator]();
  while (taken.length < count) {
    const { done, value } = await iterator.next();
    if (done) break;
    if (value.events.length > 0) taken.push(value);
  }
  return taken;
}

function told(batches: readonly WatchBatch[]): string[] {
  return batches.map(
    ({ revision, events }) =>
      `${revision}: ${events.map((event) => (event.kind === 'put' ? `${event.item.key}=${event.item.value}` : `-${event.key}`)).join(' ')}`,
  );
}

function watches(makeStore: MakeStore): void {
  const use = useStore(makeStore);

  test('a watch is registered when called', async () => {
    await write(use.store, put('before', '1'));
    const batches = use.store.watch(all, { signal: use.signal });
    await write(use.store, put('a', '1'));
    await write(use.store, put('a', '2'));
    assert.deepEqual(told(await take(batches, 2)), ['3: a=1', '4: a=2']);
  });

  test('a revision is one batch, with the events in the range only', async () => {
    const batches = use.store.watch({ prefix: 'a' }, { signal: use.signal });
    await write(use.store, put('a1', '1'), put('b', '1'), put('a2', '1'));
    await write(use.store, put('b', '2'));
    await write(use.store, remove({ prefix: 'a' }));
    assert.deepEqual(told(await take(batches, 2)), ['2: a1=1 a2=1', '4: -a1 -a2']);
  });

  test('an event says what is there now and, when asked, what was before', async () => {
    const batches = use.store.watch({ key: 'a' }, { previous: true, signal: use.signal });
    await write(use.store, put('a', '1'));
    await write(use.store, put('a', '2'));
    await write(use.store, remove({ key: 'a' }));
    assert.deepEqual(
      (await take(batches, 3)).map((batch) => batch.events[0]),
      [
        { kind: 'put', item: item('a', '1', [2, 2, 1]) },
        { kind: 'put', item: item('a', '2', [2, 3, 2]), previous: item('a', '1', [2, 2, 1]) },
        { kind: 'delete', key: 'a', modRevision: 4, previous: item('a', '2', [2, 3, 2]) },
      ],
    );
  });

  test('a watch from a past revision replays history and goes on', async () => {
    for (const value of ['1', '2', '3']) await write(use.store, put('a', value));
    const batches = use.store.watch(all, { fromRevision: at(3), signal: use.signal });
    const reading = take(batches, 4);
    await write(use.store, put('a', '4'));
    await write(use.store, remove({ key: 'a' }));
    assert.deepEqual(told(await reading), ['3: a=2', '4: a=3', '5: a=4', '6: -a']);
  });

  test('a watch from a future revision says nothing until it is reached', async () => {
    const batches = use.store.watch(all, { fromRevision: at(4), signal: use.signal });
    for (const value of ['1', '2', '3']) await write(use.store, put('a', value));
    const iterator = batches[Symbol.asyncIterator]();
    const first = await iterator.next();
    assert.deepEqual(told(first.done ? [] : [first.value]), ['4: a=3']);
  });

  test('a watch from a compacted revision is COMPACTED, from the oldest it is complete', async () => {
    await write(use.store, put('a', '1'), put('b', '1'));
    await write(use.store, remove({ key: 'a' }));
    await write(use.store, put('b', '2'));
    await use.store.compact(at(3));
    await assert.rejects(take(use.store.watch(all, { fromRevision: at(2), signal: use.signal }), 1), rejects('COMPACTED', { oldest: 3 }));
    assert.deepEqual(told(await take(use.store.watch(all, { fromRevision: at(3), signal: use.signal }), 2)), ['3: -a', '4: b=2']);
  });

  test('a reader that history overtakes gets COMPACTED', async () => {
    for (let n = 0; n < 50; n++) await write(use.store, put('a', String(n)));
    const iterator = use.store.watch(all, { fromRevision: at(2), signal: use.signal })[Symbol.asyncIterator]();
    await iterator.next();
    await use.store.compact(at(40));
    await assert.rejects(
      async () => {
        for (let n = 0; n < 50; n++) await iterator.next();
      },
      rejects('COMPACTED', { oldest: 40 }),
    );
  });

  test('a new reader that is up to date gets a bookmark with the current revision', async () => {
    await write(use.store, put('a', '1'));
    const live = await use.store.watch({ key: 'x' }, { signal: use.signal })[Symbol.asyncIterator]().next();
    assert.deepEqual(live, { done: false, value: { revision: 2, events: [] } });
    const replayed = await use.store
      .watch({ key: 'x' }, { fromRevision: at(2), signal: use.signal })
      [Symbol.asyncIterator]()
      .next();
    assert.deepEqual(replayed, { done: false, value: { revision: 2, events: [] } });
  });

  test('bookmarks let a reader of a quiet range resume from near the end', async () => {
    const iterator = use.store.watch({ key: 'quiet' }, { signal: use.signal })[Symbol.asyncIterator]();
    await iterator.next();
    await Promise.all(Array.from({ length: 1_200 }, () => write(use.store, put('busy', ''))));
    const next = await iterator.next();
    assert.ok(!next.done && next.value.events.length === 0 && next.value.revision >= 500, JSON.stringify(next));
  });

  test('a watch ends when its signal aborts, also one that waits', async () => {
    const controller = new AbortController();
    const iterator = use.store.watch(all, { signal: controller.signal })[Symbol.asyncIterator]();
    await iterator.next();
    const waiting = iterator.next();
    controller.abort();
    assert.equal((await waiting).done, true);
    assert.equal((await use.store.watch(all, { signal: AbortSignal.abort() })[Symbol.asyncIterator]().next()).done, true);
  });

  test('a reader further behind than MAX_WATCH_BACKLOG gets LIMIT', async () => {
    const slow = use.store.watch({ key: 'a' }, { signal: use.signal });
    const other = use.store.watch({ key: 'b' }, { signal: use.signal });
    for (let n = 0; n <= MAX_WATCH_BACKLOG; n += 500) await Promise.all(Array.from({ length: 500 }, () => write(use.store, put('a', ''))));
    await write(use.store, put('b', '1'));
    await assert.rejects(take(slow, MAX_WATCH_BACKLOG + 1), rejects('LIMIT'));
    assert.equal((await take(other, 1)).length, 1);
  });
}

function leases(makeStore: MakeStore): void {
  const use = useStore(makeStore);

  test('a revoked lease takes all its keys in one revision', async () => {
    const lease = await use.store.grantLease(60_000);
    await write(use.store, put('a', '1', lease.id), put('b', '1', lease.id), put('c', '1'));
    const batches = use.store.watch(all, { signal: use.signal });
    await use.store.revokeLease(lease.id);
    assert.deepEqual(told(await take(batches, 1)), ['3: -a -b']);
    assert.deepEqual(
      (await use.store.list(all)).items.map((each) => each.key),
      ['c'],
    );
    assert.equal(await use.store.leaseStatus(lease.id), undefined);
  });

  test('a put without a lease detaches the key from it, another lease takes it over', async () => {
    const first = await use.store.grantLease(60_000);
    const second = await use.store.grantLease(60_000);
    await write(use.store, put('a', '1', first.id), put('b', '1', first.id));
    assert.equal((await use.store.get('a'))?.lease, first.id);
    await write(use.store, put('a', '2'), put('b', '2', second.id));
    assert.equal((await use.store.get('a'))?.lease, undefined);
    await use.store.revokeLease(first.id);
    assert.deepEqual(
      (await use.store.list(all)).items.map((each) => each.key),
      ['a', 'b'],
    );
    await use.store.revokeLease(second.id);
    assert.deepEqual(
      (await use.store.list(all)).items.map((each) => each.key),
      ['a'],
    );
  });

  test('a lease that is not kept ends, not before its duration, with its keys', async () => {
    const lease = await use.store.grantLease(120);
    assert.deepEqual(lease, { id: lease.id, durationMs: 120, remainingMs: 120 });
    await write(use.store, put('a', '1', lease.id), put('b', '1', lease.id));
    const batches = use.store.watch(all, { signal: use.signal });
    await use.sleep(20);
    assert.ok(((await use.store.leaseStatus(lease.id))?.remainingMs ?? 0) <= 101);
    assert.equal((await use.store.list(all)).count, 2);
    await use.sleep(300);
    assert.deepEqual(told(await take(batches, 1)), ['3: -a -b']);
    await assert.rejects(use.store.keepLease(lease.id), rejects('LEASE_LOST', { lease: lease.id }));
    await assert.rejects(write(use.store, put('c', '1', lease.id)), rejects('NOT_FOUND'));
  });

  test('a kept lease lives', async () => {
    const lease = await use.store.grantLease(250);
    await write(use.store, put('a', '1', lease.id));
    for (let n = 0; n < 6; n++) {
      await use.sleep(80);
      assert.deepEqual(await use.store.keepLease(lease.id), { ...lease, remainingMs: 250 });
    }
    assert.ok(await use.store.get('a'));
  });

  test('the end of a lease without keys does not move the revision', async () => {
    const lease = await use.store.grantLease(30);
    await use.sleep(200);
    assert.equal(await use.store.leaseStatus(lease.id), undefined);
    assert.equal((await use.store.status()).revision, 1);
  });

  test('revoking an unknown lease is fine, keeping it is LEASE_LOST, asking for it is undefined', async () => {
    const unknown = 'ffffffff' as LeaseId;
    await use.store.revokeLease(unknown);
    await assert.rejects(use.store.keepLease(unknown), rejects('LEASE_LOST'));
    assert.equal(await use.store.leaseStatus(unknown), undefined);
    await assert.rejects(use.store.grantLease(0), rejects('INVALID'));
  });
}
