import { type Backoff, backoffMs } from '#base/backoff';
import { hasCode, messageOf } from '#base/errors';
import { isAbort } from '#base/signal';
import type { World } from '#world/world';
import type { StoredItem, StoreView, ViewBatch } from './store-view.ts';

/** So many in a row are nothing to speak of. */
const QUIET_FAILURES = 3;
const RETRY: Backoff = { baseMs: 100, capMs: 2_000, jitter: 1 };

export interface Mirrored<Value> {
  readonly key: string;
  readonly value: Value;
  readonly modRevision: number;
  readonly createRevision: number;
}

/**
 * A live copy of everything under one prefix: lists once, follows the watch, lists again after compaction or a broken link.
 *
 * Invariants: M1 `itemsByKey` is the prefix's exact content at `revision`. M2 `revision` goes back only when
 * the store itself did, restored from an older copy. M3 `onChange` is called after every
 * change of either, never in the middle of a revision.
 */
export class Mirror<Value> {
  readonly #world: World;
  readonly #view: StoreView;
  readonly #prefix: string;
  readonly #onChange: () => void;
  readonly #itemsByKey = new Map<string, Mirrored<Value>>();
  readonly #synced = Promise.withResolvers<void>();
  #revision = 0;
  #connected = false;

  constructor(world: World, view: StoreView, options: { readonly prefix: string; readonly onChange: () => void }) {
    this.#world = world;
    this.#view = view;
    this.#prefix = options.prefix;
    this.#onChange = options.onChange;
  }

  get itemsByKey(): ReadonlyMap<string, Mirrored<Value>> {
    return this.#itemsByKey;
  }

  get revision(): number {
    return this.#revision;
  }

  /** False while the link is down: the content is as old as the last `onChange`. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Resolves after the first complete list. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  values(): Value[] {
    return [...this.#itemsByKey.values()].map((item) => item.value);
  }

  get(key: string): Mirrored<Value> | undefined {
    return this.#itemsByKey.get(key);
  }

  /** Follows the prefix until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (this.#revision === 0) await this.#list(signal);
        for await (const batch of this.#view.watch(this.#prefix, { fromRevision: this.#revision + 1, signal })) {
          failures = 0;
          this.#connected = true;
          this.#apply(batch);
        }
      } catch (error) {
        if (isAbort(error, signal)) return;
        this.#connected = false;
        // History up to our revision is gone, or we were too slow to read it: only a fresh list can tell what is there now.
        if (hasCode(error, 'COMPACTED') || hasCode(error, 'LIMIT') || hasCode(error, 'FUTURE_REVISION')) await this.#relist(signal);
        // A link breaks now and then; one that stays broken is for people to know.
        this.#world.log.write(failures === QUIET_FAILURES ? 'warn' : 'debug', 'watch interrupted', { prefix: this.#prefix, cause: messageOf(error) });
      }
      if (signal.aborted) return;
      await this.#world.clock.sleep(backoffMs(RETRY, failures++, this.#world.random.next()), signal).catch(() => undefined);
    }
  }

  async #relist(signal: AbortSignal): Promise<void> {
    await this.#list(signal).catch((error: unknown) => {
      this.#world.log.write('warn', 'list failed', { prefix: this.#prefix, cause: messageOf(error) });
    });
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { items, revision } = await this.#view.list(this.#prefix, { signal });
    this.#itemsByKey.clear();
    for (const item of items) this.#put(item);
    this.#revision = revision;
    this.#connected = true;
    this.#synced.resolve();
    this.#onChange();
  }

  #put(item: StoredItem): void {
    const { key, modRevision, createRevision } = item;
    this.#itemsByKey.set(key, { key, value: JSON.parse(item.value) as Value, modRevision, createRevision });
  }

  #apply(batch: ViewBatch): void {
    // A bookmark repeats the revision we have; a watch that resumed may repeat a batch.
    if (batch.revision <= this.#revision) return;
    for (const event of batch.events) {
      if (event.kind === 'put') this.#put(event.item);
      else this.#itemsByKey.delete(event.key);
    }
    this.#revision = batch.revision;
    this.#onChange();
  }
}
