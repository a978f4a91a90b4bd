import { PlatformError } from '#base/errors';
import { Wakeup } from '#base/wakeup';
import { keyOf, PREFIX } from '#model/keys';
import type { GatewayStatus, Route } from '#model/route';
import type { StoredItem, StoreView, ViewBatch, ViewEvent, ViewWrite } from '#model/store-view';

/** Lists of routes that a slow reader may lag behind; one that lags more lists anew. */
const keptBatches = 16;
const onlyLease = 'standalone';

/** The store as a gateway sees it when its routes come from a file: the routes of one reload are one revision, and the only writer of a status is the gateway. */
export class StandaloneView implements StoreView {
  readonly #items = new Map<string, StoredItem>();
  readonly #watchers = new Set<Wakeup>();
  #batches: readonly ViewBatch[] = [];
  #revision = 1;
  #status: GatewayStatus | undefined;
  readonly #statusWritten = new Set<() => void>();

  /** Puts these routes in the place of all others; resolves to their revision. The same again is the same revision. */
  replace(routes: readonly Route[]): number {
    const wanted = new Map(routes.map((route) => [keyOf.route(route.app, route.service), JSON.stringify(route)] as const));
    const revision = this.#revision + 1;
    const events: ViewEvent[] = [];
    for (const key of this.#items.keys()) if (!wanted.has(key)) events.push({ kind: 'delete', key, modRevision: revision });
    for (const [key, value] of wanted) {
      const known = this.#items.get(key);
      if (known?.value !== value) events.push({ kind: 'put', item: { key, value, modRevision: revision, createRevision: known?.createRevision ?? revision } });
    }
    if (events.length === 0) return this.#revision;
    for (const event of events) {
      if (event.kind === 'put') this.#items.set(event.item.key, event.item);
      else this.#items.delete(event.key);
    }
    this.#revision = revision;
    this.#batches = [...this.#batches.slice(1 - keptBatches), { revision, events }];
    for (const watcher of this.#watchers) watcher.ring();
    return revision;
  }

  /** Resolves once every worker serves the routes of `revision`. */
  async applied(revision: number, signal: AbortSignal): Promise<void> {
    const written = new Wakeup();
    const ring = () => written.ring();
    this.#statusWritten.add(ring);
    try {
      while ((this.#status?.appliedRevision ?? 0) < revision) await written.wait(signal);
    } finally {
      this.#statusWritten.delete(ring);
    }
  }

  async list(prefix: string): ReturnType<StoreView['list']> {
    const items = [...this.#items.values()].filter(({ key }) => key.startsWith(prefix));
    return { items: items.sort((a, b) => (a.key < b.key ? -1 : 1)), revision: this.#revision };
  }

  watch(prefix: string, { fromRevision, signal }: { readonly fromRevision: number; readonly signal: AbortSignal }): AsyncIterable<ViewBatch> {
    const wakeup = new Wakeup();
    this.#watchers.add(wakeup);
    return this.#follow(prefix, { fromRevision, wakeup, signal });
  }

  async write(writes: readonly ViewWrite[]): Promise<number> {
    for (const write of writes) {
      if (write.kind !== 'put' || !write.key.startsWith(PREFIX.gateways)) continue;
      this.#status = JSON.parse(write.value) as GatewayStatus;
      for (const tell of this.#statusWritten) tell();
    }
    return this.#revision;
  }

  async grantLease(): Promise<string> {
    return onlyLease;
  }

  async keepLease(): Promise<void> {}

  async revokeLease(): Promise<void> {}

  async *#follow(prefix: string, how: { readonly fromRevision: number; readonly wakeup: Wakeup; readonly signal: AbortSignal }): AsyncGenerator<ViewBatch> {
    let next = how.fromRevision;
    try {
      while (!how.signal.aborted) {
        const oldest = this.#batches[0]?.revision ?? 0;
        if (oldest > Math.max(next, 2))
          throw new PlatformError('COMPACTED', `Cannot watch from revision ${next}, because the oldest kept is ${oldest}`, { oldest });
        for (const { revision, events } of this.#batches.filter((batch) => batch.revision >= next)) {
          next = revision + 1;
          yield { revision, events: events.filter((event) => (event.kind === 'put' ? event.item.key : event.key).startsWith(prefix)) };
        }
        await how.wakeup.wait(how.signal);
      }
    } finally {
      this.#watchers.delete(how.wakeup);
    }
  }
}
