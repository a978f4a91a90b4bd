import { PlatformError } from '#base/errors';
import { unlessAborted } from '#base/signal';
import { Wakeup } from '#base/wakeup';
import type { StoreView, ViewBatch, ViewEvent, ViewWrite } from '#model/store-view';

/** A StoreView in memory that can be cut off, for tests of the gateway: what it does is what a store does, without durability. */
export class MemoryView implements StoreView {
  revision = 1;
  readonly items = new Map<string, { value: string; modRevision: number; createRevision: number; lease: string | undefined }>();
  readonly leases = new Set<string>();
  readonly writes: { readonly key: string; readonly value: string }[] = [];
  #isDown = false;
  #leaseCount = 0;
  readonly #batches: ViewBatch[] = [];
  readonly #watchers = new Set<Wakeup>();
  #held: PromiseWithResolvers<void> | undefined;

  /** True: every call fails and every watch breaks, as when control is gone. */
  set isDown(down: boolean) {
    this.#isDown = down;
    this.#ring();
  }

  put(key: string, value: unknown): number {
    return this.#commit([{ kind: 'put', key, value: JSON.stringify(value) }]);
  }

  read<Value>(key: string): Value | undefined {
    const item = this.items.get(key);
    return item === undefined ? undefined : (JSON.parse(item.value) as Value);
  }

  /** Ends a lease and deletes its keys, as if its time were over. */
  expireLeases(): void {
    const keys = [...this.items].filter(([, { lease }]) => lease !== undefined).map(([key]) => key);
    this.leases.clear();
    this.#commit(keys.map((key) => ({ kind: 'delete', key })));
  }

  /** The next write is stuck on its way until the function returned is called; only then it is made, or refused, whether or not anybody waits for it. */
  holdNextWrite(): () => void {
    const held = Promise.withResolvers<void>();
    this.#held = held;
    return held.resolve;
  }

  async list(prefix: string): ReturnType<StoreView['list']> {
    this.#check();
    const items = [...this.items]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, { value, modRevision, createRevision }]) => ({ key, value, modRevision, createRevision }));
    return { items: items.sort((a, b) => (a.key < b.key ? -1 : 1)), revision: this.revision };
  }

  watch(prefix: string, { fromRevision, signal }: { readonly fromRevision: number; readonly signal: AbortSignal }): AsyncIterable<ViewBatch> {
    this.#check();
    const wakeup = new Wakeup();
    this.#watchers.add(wakeup);
    return this.#follow(prefix, fromRevision, wakeup, signal);
  }

  async write(writes: readonly ViewWrite[], options: { readonly signal?: AbortSignal } = {}): Promise<number> {
    this.#check();
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return this.#write(writes);
    const made = held.promise.then(() => this.#write(writes));
    // Who gave up does not hear what became of it.
    made.catch(() => undefined);
    return await unlessAborted(made, options.signal);
  }

  #write(writes: readonly ViewWrite[]): number {
    for (const write of writes) {
      if (write.expected !== undefined && write.expected !== (this.items.get(write.key)?.modRevision ?? 0))
        throw new PlatformError('CONFLICT', `Cannot write "${write.key}", because another revision is there than expected`, { keys: [write.key] });
      if (write.kind === 'put' && write.lease !== undefined && !this.leases.has(write.lease))
        throw new PlatformError('LEASE_LOST', `Cannot write "${write.key}", because its lease has ended`);
      if (write.kind === 'put') this.writes.push({ key: write.key, value: write.value });
    }
    return this.#commit(writes);
  }

  async grantLease(): Promise<string> {
    this.#check();
    const lease = `lease-${++this.#leaseCount}`;
    this.leases.add(lease);
    return lease;
  }

  async keepLease(lease: string): Promise<void> {
    this.#check();
    if (!this.leases.has(lease)) throw new PlatformError('LEASE_LOST', `Cannot keep lease ${lease}, because it has ended`);
  }

  async revokeLease(lease: string): Promise<void> {
    this.#check();
    this.leases.delete(lease);
    this.#commit([...this.items].filter(([, item]) => item.lease === lease).map(([key]) => ({ kind: 'delete', key })));
  }

  async *#follow(prefix: string, fromRevision: number, wakeup: Wakeup, signal: AbortSignal): AsyncGenerator<ViewBatch> {
    let next = this.#batches.findIndex(({ revision }) => revision >= fromRevision);
    if (next < 0) next = this.#batches.length;
    try {
      while (!signal.aborted) {
        this.#check();
        for (; next < this.#batches.length; next++) {
          const { revision, events } = this.#batches[next] as ViewBatch;
          yield { revision, events: events.filter((event) => (event.kind === 'put' ? event.item.key : event.key).startsWith(prefix)) };
        }
        await wakeup.wait(signal);
      }
    } finally {
      this.#watchers.delete(wakeup);
    }
  }

  #commit(writes: readonly ViewWrite[]): number {
    if (writes.length === 0) return this.revision;
    const revision = ++this.revision;
    const events = writes.map((write): ViewEvent => {
      if (write.kind === 'delete') {
        this.items.delete(write.key);
        return { kind: 'delete', key: write.key, modRevision: revision };
      }
      const createRevision = this.items.get(write.key)?.createRevision ?? revision;
      this.items.set(write.key, { value: write.value, modRevision: revision, createRevision, lease: write.lease });
      return { kind: 'put', item: { key: write.key, value: write.value, modRevision: revision, createRevision } };
    });
    this.#batches.push({ revision, events });
    this.#ring();
    return revision;
  }

  #check(): void {
    if (this.#isDown) throw new PlatformError('UNAVAILABLE', 'Cannot reach control, because it is down');
  }

  #ring(): void {
    for (const watcher of this.#watchers) watcher.ring();
  }
}
