import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { PlatformError } from './errors.ts';
import { BoundedQueue } from './queue.ts';
import { isAbort, onAbort, unlessAborted } from './signal.ts';

async function all<Item>(queue: BoundedQueue<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

test('a queue gives its items in order and ends after them', async () => {
  const queue = new BoundedQueue<number>({ limit: 10 });
  const reading = all(queue);
  queue.push(1);
  await Promise.resolve();
  queue.push(2);
  queue.push(3);
  queue.end();
  queue.push(4);
  assert.deepEqual(await reading, [1, 2, 3]);
});

test('a full queue is a LIMIT at the producer, and takes more when read', async () => {
  const queue = new BoundedQueue<number>({ limit: 2 });
  queue.push(1);
  queue.push(2);
  assert.throws(() => queue.push(3), { code: 'LIMIT' });
  const iterator = queue[Symbol.asyncIterator]();
  assert.equal((await iterator.next()).value, 1);
  queue.push(3);
  queue.end();
  assert.deepEqual(await all(queue), [2, 3]);
});

test('a failed queue throws after what was queued; the first end counts', async () => {
  const failure = new Error('broken');
  const queue = new BoundedQueue<number>({ limit: 2 });
  queue.push(1);
  queue.fail(failure);
  queue.fail(new Error('later'));
  const iterator = queue[Symbol.asyncIterator]();
  assert.equal((await iterator.next()).value, 1);
  await assert.rejects(iterator.next(), failure);
  const ended = new BoundedQueue<number>({ limit: 2 });
  ended.end();
  ended.fail(failure);
  assert.deepEqual(await all(ended), []);
});

test('onAbort calls once, at once if it is too late, and leaves no listener', () => {
  const controller = new AbortController();
  const reasons: unknown[] = [];
  onAbort(controller.signal, () => reasons.push('disposed'))[Symbol.dispose]();
  onAbort(controller.signal, (reason) => reasons.push(reason));
  controller.abort('why');
  onAbort(controller.signal, (reason) => reasons.push(reason));
  onAbort(undefined, () => reasons.push('never'));
  assert.deepEqual(reasons, ['why', 'why']);
});

test('unlessAborted gives the outcome or the reason, and leaves no listener', async () => {
  const controller = new AbortController();
  assert.equal(await unlessAborted(Promise.resolve(1), controller.signal), 1);
  assert.equal(await unlessAborted(Promise.resolve(2), undefined), 2);
  await assert.rejects(unlessAborted(Promise.reject(new Error('own')), controller.signal), /own/);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  const waiting = unlessAborted(new Promise(() => undefined), controller.signal);
  const reason = new Error('enough');
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(unlessAborted(new Promise(() => undefined), controller.signal), reason);
});

test('isAbort tells the caller’s own end from a failure', () => {
  const reason = new Error('enough');
  const aborted = AbortSignal.abort(reason);
  assert.equal(isAbort(reason, aborted), true);
  assert.equal(isAbort(new PlatformError('ABORTED', 'Gave up'), aborted), true);
  assert.equal(isAbort(new Error('other'), aborted), false);
  assert.equal(isAbort(reason, new AbortController().signal), false);
});
