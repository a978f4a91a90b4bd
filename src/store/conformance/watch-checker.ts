import assert from 'node:assert/strict';
import { hasCode } from '#base/errors';
import type { KeyRange, Revision, Store, WatchBatch } from '../store.ts';
import { type StoreModel, sortEvents } from './store-model.ts';

/** A reader that checks each batch against the model: no gap, no duplicate, no reorder, no revision split, bookmarks true. */
export class WatchChecker {
  readonly #store: Store;
  readonly #model: StoreModel;
  readonly #range: KeyRange;
  /** Everything below has been seen. */
  #next: number;
  #controller = new AbortController();
  #batches: AsyncIterator<WatchBatch> | undefined;
  lostToCompaction = 0;
  batchesSeen = 0;

  constructor(options: { readonly store: Store; readonly model: StoreModel; readonly range: KeyRange; readonly from: number }) {
    this.#store = options.store;
    this.#model = options.model;
    this.#range = options.range;
    this.#next = options.from;
  }

  /** Drops the connection; the next read resumes after what was seen. */
  disconnect(): void {
    this.#controller.abort();
    this.#controller = new AbortController();
    this.#batches = undefined;
  }

  /** Reads until everything up to `durable` has been seen, or `limit` batches. */
  async read(durable: number, limit = Number.POSITIVE_INFINITY): Promise<void> {
    for (let taken = 0; taken < limit && this.#hasEvents(durable); taken++) {
      this.#batches ??= this.#connect();
      try {
        const { done, value } = await this.#batches.next();
        assert.ok(!done, 'a watch ended by itself');
        this.#check(value, (await this.#store.status()).oldest);
      } catch (error) {
        if (!hasCode(error, 'COMPACTED')) throw error;
        assert.ok(this.#next < Number(error.details.oldest), `COMPACTED for ${this.#next}, although history begins at ${error.details.oldest}`);
        this.lostToCompaction++;
        this.disconnect();
        this.#next = (await this.#store.list(this.#range)).revision + 1;
      }
    }
  }

  #connect(): AsyncIterator<WatchBatch> {
    const options = { fromRevision: this.#next as Revision, previous: true, signal: this.#controller.signal };
    return this.#store.watch(this.#range, options)[Symbol.asyncIterator]();
  }

  #hasEvents(through: number): boolean {
    for (let revision = this.#next; revision <= through; revision++) {
      if (this.#model.eventsAt(this.#range, revision).length > 0) return true;
    }
    return false;
  }

  #check(batch: WatchBatch, oldest: Revision): void {
    this.batchesSeen++;
    const isBookmark = batch.events.length === 0;
    assert.ok(batch.revision >= this.#next - (isBookmark ? 1 : 0), `batch ${batch.revision} after ${this.#next - 1}`);
    for (let revision = this.#next; revision < batch.revision; revision++) {
      assert.deepEqual([], this.#model.eventsAt(this.#range, revision), `revision ${revision} was skipped`);
    }
    const told = sortEvents(batch.events);
    const expected = batch.revision < this.#next ? [] : this.#model.eventsAt(this.#range, batch.revision);
    // What was before the oldest revision may be unknown.
    const mayForget = batch.revision <= oldest;
    assert.deepEqual(mayForget ? told.map(withoutPrevious) : told, mayForget ? expected.map(withoutPrevious) : expected);
    this.#next = batch.revision + 1;
  }
}

function withoutPrevious({ previous: _, ...event }: WatchBatch['events'][number]): unknown {
  return event;
}
