import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_WATCH_BACKLOG } from '../store.ts';
import { all, at, item, type MakeStore, put, rejects, remove, take, told, useStore, write } from './store-under-test.ts';

/** No gap, no duplicate, in order, never split. */
export function watchesConformance(makeStore: MakeStore): void {
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

  test('what was before is not told when it has been compacted', async () => {
    for (const value of ['1', '2', '3']) await write(use.store, put('a', value));
    await use.store.compact(at(3));
    const batches = await take(use.store.watch(all, { fromRevision: at(3), previous: true, signal: use.signal }), 2);
    assert.deepEqual(
      batches.map((batch) => batch.events[0]),
      [
        { kind: 'put', item: item('a', '2', [2, 3, 2]) },
        { kind: 'put', item: item('a', '3', [2, 4, 3]), previous: item('a', '2', [2, 3, 2]) },
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
