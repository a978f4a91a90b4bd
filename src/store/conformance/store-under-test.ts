import assert from 'node:assert/strict';
import { afterEach, beforeEach } from 'node:test';
import { hasCode } from '#base/errors';
import type { KeyRange, KeyValue, LeaseId, Operation, Revision, Store, WatchBatch } from '../store.ts';

/** A store under test and the world it lives in. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: Store;
  /** Lets so much time pass in the store's world. */
  sleep(delayMs: number): Promise<void>;
}

/** Makes an empty store. */
export type MakeStore = () => Promise<StoreUnderTest>;

/** A fresh store for each test of the suite, closed after it. */
export function useStore(makeStore: MakeStore): { readonly store: Store; readonly signal: AbortSignal; sleep(delayMs: number): Promise<void> } {
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

/** A put operation. */
export function put(key: string, value: string, lease?: LeaseId): Operation {
  return { kind: 'put', key, value, ...(lease ? { lease } : {}) };
}

/** A delete operation. */
export function remove(range: KeyRange): Operation {
  return { kind: 'delete', range };
}

/** Writes without conditions; the revision. */
export async function write(store: Store, ...then: Operation[]): Promise<Revision> {
  return (await store.transact({ compare: [], then })).revision;
}

/** For assert.rejects: a PlatformError with this code and at least these details. */
export function rejects(code: Parameters<typeof hasCode>[1], details: Record<string, unknown> = {}): (error: unknown) => boolean {
  return (error) => {
    if (!hasCode(error, code)) throw error;
    assert.deepEqual({ ...error.details, ...details }, error.details);
    return true;
  };
}

/** A KeyValue with its createRevision, modRevision and version. */
export function item(key: string, value: string, [createRevision, modRevision, version]: readonly [number, number, number]): KeyValue {
  return { key, value, createRevision: createRevision as Revision, modRevision: modRevision as Revision, version };
}

/** The number as a Revision. */
export const at = (revision: number) => revision as Revision;
/** Every key. */
export const all: KeyRange = { prefix: '' };

/** The next `count` batches with events. */
export async function take(batches: AsyncIterable<WatchBatch>, count: number): Promise<WatchBatch[]> {
  const taken: WatchBatch[] = [];
  const iterator = batches[Symbol.asyncIterator]();
  while (taken.length < count) {
    const { done, value } = await iterator.next();
    if (done) break;
    if (value.events.length > 0) taken.push(value);
  }
  return taken;
}

/** Batches as text: `3: a=1 -b`. */
export function told(batches: readonly WatchBatch[]): string[] {
  return batches.map(
    ({ revision, events }) =>
      `${revision}: ${events.map((event) => (event.kind === 'put' ? `${event.item.key}=${event.item.value}` : `-${event.key}`)).join(' ')}`,
  );
}
