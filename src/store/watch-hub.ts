import { PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import { checkRange, isInRange } from './key-order.ts';
import { type Change, type Commit, compacted, type Mvcc } from './mvcc.ts';
import { type KeyRange, MAX_WATCH_BACKLOG, type Revision, type WatchBatch, type WatchEvent } from './store.ts';

/** A watcher that heard nothing for so many revisions gets a bookmark, so that it never resumes from far behind. */
const BOOKMARK_REVISIONS = 500;

/** At most so many revisions are searched for a watcher's events before others get their turn. */
const REPLAY_STEP = 1_000;

export interface WatchOptions {
  readonly fromRevision?: Revision;
  readonly previous?: boolean;
  readonly signal: AbortSignal;
}

/** Hands the changes of published revisions to watchers. */
export class WatchHub {
  readonly #source: Mvcc;
  readonly #watchers = new Set<Watcher>();
  #published: Revision;

  constructor(source: Mvcc) {
    this.#source = source;
    this.#published = source.revision;
  }

  get published(): Revision {
    return this.#published;
  }

  /** Registered when this returns. */
  watch(range: KeyRange, options: WatchOptions): AsyncIterableIterator<WatchBatch> {
    const watcher = new Watcher(range, { ...options, hub: this, source: this.#source, onEnd: () => this.#watchers.delete(watcher) });
    this.#watchers.add(watcher);
    watcher.start();
    return watcher;
  }

  /** Delivers every revision up to `through`, which must be durable. */
  publish(through: Revision): void {
    while (this.#published < through) {
      this.#published = (this.#published + 1) as Revision;
      const commit = this.#source.commitAt(this.#published) as Commit;
      for (const watcher of this.#watchers) watcher.deliver(commit);
    }
  }

  /** Ends every watcher with the error. */
  end(error: PlatformError): void {
    for (const watcher of [...this.#watchers]) watcher.fail(error);
  }
}

interface WatcherOptions extends WatchOptions {
  readonly hub: { readonly published: Revision };
  readonly source: Mvcc;
  readonly onEnd: () => void;
}

/**
 * One reader. W1 every revision below `#next` has been queued, or has nothing for this reader. W2 while `#isReplaying` the queue is empty and
 * the reader itself searches history; afterwards the hub fills the queue. W3 the queue never holds more than MAX_WATCH_BACKLOG batches.
 */
class Watcher implements AsyncIterableIterator<WatchBatch> {
  readonly #range: KeyRange;
  readonly #options: WatcherOptions;
  readonly #queue: WatchBatch[] = [];
  #next: number;
  #told = 0;
  #isReplaying: boolean;
  #isEnded = false;
  #error: unknown;
  #waiting: PromiseWithResolvers<IteratorResult<WatchBatch>> | undefined;
  #listening: Disposable | undefined;

  constructor(range: KeyRange, options: WatcherOptions) {
    this.#range = range;
    this.#options = options;
    const { published } = options.hub;
    this.#next = options.fromRevision ?? published + 1;
    this.#isReplaying = this.#next <= published;
    this.#told = published;
  }

  start(): void {
    const { hub, source, signal } = this.#options;
    this.#listening = onAbort(signal, () => this.#end());
    if (this.#isEnded) return;
    try {
      checkRange(this.#range);
      if (this.#next < source.oldest) throw compacted(this.#next, source.oldest);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#next = Math.max(2, this.#next);
    if (this.#next > hub.published) this.#isReplaying = false;
    if (this.#next === hub.published + 1) this.#push({ revision: hub.published, events: [] });
  }

  deliver(commit: Commit): void {
    if (this.#isReplaying || commit.revision < this.#next) return;
    this.#next = commit.revision + 1;
    const events = this.#eventsOf(commit);
    if (events.length > 0) {
      if (this.#queue.length >= MAX_WATCH_BACKLOG) {
        this.#queue.length = 0;
        this.fail(
          new PlatformError('LIMIT', `Cannot go on watching, because the reader is ${MAX_WATCH_BACKLOG} revisions behind`, { limit: MAX_WATCH_BACKLOG }),
        );
        return;
      }
      this.#push({ revision: commit.revision, events });
    } else if (commit.revision - this.#told >= BOOKMARK_REVISIONS && this.#queue.length === 0) {
      this.#push({ revision: commit.revision, events: [] });
    }
  }

  fail(error: unknown): void {
    if (this.#isEnded) return;
    this.#error = error;
    this.#end();
  }

  async next(): Promise<IteratorResult<WatchBatch>> {
    const queued = this.#queue.shift();
    if (queued) return { done: false, value: queued };
    if (this.#isReplaying && !this.#isEnded) {
      const batch = this.#replay();
      if (batch) return { done: false, value: batch };
    }
    if (this.#isEnded) return this.#finish();
    this.#waiting ??= Promise.withResolvers();
    return await this.#waiting.promise;
  }

  async return(): Promise<IteratorResult<WatchBatch>> {
    this.#error = undefined;
    this.#end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next batch from history, a bookmark where it has none for a while or has ended; `undefined` if history is gone. */
  #replay(): WatchBatch | undefined {
    const { hub, source } = this.#options;
    if (this.#next < source.oldest) {
      this.fail(compacted(this.#next, source.oldest));
      return undefined;
    }
    const last = Math.min(hub.published, this.#next + REPLAY_STEP - 1);
    while (this.#next <= last) {
      const commit = source.commitAt(this.#next) as Commit;
      this.#next++;
      const events = this.#eventsOf(commit);
      if (events.length > 0) return { revision: commit.revision, events };
    }
    if (this.#next > hub.published) this.#isReplaying = false;
    this.#told = this.#next - 1;
    return { revision: this.#told as Revision, events: [] };
  }

  #eventsOf(commit: Commit): WatchEvent[] {
    const events: WatchEvent[] = [];
    for (const change of commit.changes) if (isInRange(this.#range, change.key)) events.push(this.#eventOf(change));
    return events;
  }

  #eventOf(change: Change): WatchEvent {
    const before = this.#options.previous ? this.#options.source.previousOf(change) : undefined;
    const previous = before && { previous: before };
    if (change.item) return { kind: 'put', item: change.item, ...previous };
    return { kind: 'delete', key: change.key, modRevision: change.revision, ...previous };
  }

  #push(batch: WatchBatch): void {
    this.#told = batch.revision;
    if (this.#waiting) {
      this.#waiting.resolve({ done: false, value: batch });
      this.#waiting = undefined;
    } else {
      this.#queue.push(batch);
    }
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#listening?.[Symbol.dispose]();
    this.#options.onEnd();
    // The signal ends it at once; an error comes after what was queued.
    if (this.#error === undefined) this.#queue.length = 0;
    this.#waiting?.resolve(this.#finish());
    this.#waiting = undefined;
  }

  #finish(): IteratorResult<WatchBatch> | Promise<never> {
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? { done: true, value: undefined } : Promise.reject(error);
  }
}
