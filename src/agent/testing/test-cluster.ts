import { PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import { Wakeup } from '#base/wakeup';
import type { Instance, InstanceId, InstanceStatus } from '#model/instance';
import { keyOf } from '#model/keys';
import type { StoredItem, StoreView, ViewBatch, ViewEvent, ViewWrite } from '#model/store-view';
import type { World } from '#world/world';

/** How long each call takes, so that an agent that has died in a simulation gets no answer any more. */
const delayMs = 1;

interface Watcher {
  readonly prefix: string;
  readonly batches: ViewBatch[];
  readonly bell: Wakeup;
}

/**
 * The part of a cluster an agent sees, for its tests: keys with revisions, watches, leases, and a link that can be cut. The agent's module may not
 * import a store, so that this stands where control's view of a real one stands in production.
 */
export class TestCluster {
  readonly items = new Map<string, StoredItem>();
  /** Every change in order. */
  readonly history: { readonly revision: number; readonly events: readonly ViewEvent[] }[] = [];
  isReachable = true;
  #revision = 1;
  readonly #watchers = new Set<Watcher>();
  readonly #leases = new Map<string, { readonly keys: Set<string>; timer: Disposable }>();

  get revision(): number {
    return this.#revision;
  }

  /** As control does it. */
  want(instance: Instance): void {
    this.#write([{ kind: 'put', key: keyOf.instance(instance.id), value: JSON.stringify(instance) }]);
  }

  /** As control does it when the status says `stopped`. */
  forget(id: InstanceId): void {
    this.#write([
      { kind: 'delete', key: keyOf.instance(id) },
      { kind: 'delete', key: keyOf.status(id) },
    ]);
  }

  status(id: InstanceId): InstanceStatus | undefined {
    const item = this.items.get(keyOf.status(id));
    return item && (JSON.parse(item.value) as InstanceStatus);
  }

  /** Every status of the instance that was written, oldest first. */
  statuses(id: InstanceId): InstanceStatus[] {
    return this.history.flatMap(({ events }) =>
      events.flatMap((event) => (event.kind === 'put' && event.item.key === keyOf.status(id) ? [JSON.parse(event.item.value) as InstanceStatus] : [])),
    );
  }

  /** Cuts every agent off: calls fail, watches break. Leases run on. */
  cut(): void {
    this.isReachable = false;
    for (const watcher of this.#watchers) watcher.bell.ring();
  }

  /** The view of a program in `world`. */
  view(world: World): StoreView {
    const call = async <Value>(work: () => Value): Promise<Value> => {
      await world.clock.sleep(delayMs);
      if (!this.isReachable) throw new PlatformError('UNAVAILABLE', 'Cannot reach control');
      return work();
    };
    return {
      list: (prefix) => call(() => ({ items: [...this.items.values()].filter((item) => item.key.startsWith(prefix)), revision: this.#revision })),
      watch: (prefix, options) => this.#watch(prefix, options, world),
      write: (writes) => call(() => this.#write(writes)),
      grantLease: (durationMs) => call(() => this.#grant(world, durationMs)),
      keepLease: (lease) => call(() => this.#keep(world, lease)),
      revokeLease: (lease) => call(() => this.#end(lease)),
    };
  }

  async *#watch(
    prefix: string,
    { fromRevision, signal }: { readonly fromRevision: number; readonly signal: AbortSignal },
    world: World,
  ): AsyncGenerator<ViewBatch> {
    const batches = this.history
      .filter(({ revision }) => revision >= fromRevision)
      .map(({ revision, events }) => ({ revision, events: events.filter((event) => keyOfEvent(event).startsWith(prefix)) }));
    const watcher: Watcher = { prefix, batches, bell: new Wakeup() };
    this.#watchers.add(watcher);
    using _listening = onAbort(signal, () => watcher.bell.ring());
    try {
      while (!signal.aborted) {
        await world.clock.sleep(delayMs);
        if (!this.isReachable) throw new PlatformError('UNAVAILABLE', 'The link broke');
        yield* watcher.batches.splice(0);
        await watcher.bell.wait(signal).catch(() => undefined);
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  #write(writes: readonly ViewWrite[]): number {
    const stale = writes.find(({ key, expected }) => expected !== undefined && expected !== (this.items.get(key)?.modRevision ?? 0));
    if (stale) throw new PlatformError('CONFLICT', `Cannot write ${stale.key}, because another revision is there than expected`);
    const revision = ++this.#revision;
    const events: ViewEvent[] = [];
    for (const write of writes) {
      const former = this.items.get(write.key);
      if (write.kind === 'delete') {
        if (!former) continue;
        this.items.delete(write.key);
        events.push({ kind: 'delete', key: write.key, modRevision: revision });
        continue;
      }
      for (const { keys } of this.#leases.values()) keys.delete(write.key);
      if (write.lease !== undefined) this.#leases.get(write.lease)?.keys.add(write.key);
      const item = { key: write.key, value: write.value, modRevision: revision, createRevision: former?.createRevision ?? revision };
      this.items.set(write.key, item);
      events.push({ kind: 'put', item });
    }
    this.history.push({ revision, events });
    for (const watcher of this.#watchers) {
      watcher.batches.push({ revision, events: events.filter((event) => keyOfEvent(event).startsWith(watcher.prefix)) });
      watcher.bell.ring();
    }
    return revision;
  }

  #grant(world: World, durationMs: number): string {
    const lease = `lease-${this.#revision}-${this.#leases.size}`;
    this.#leases.set(lease, { keys: new Set(), timer: { [Symbol.dispose]() {} } });
    this.#arm(world, lease, durationMs);
    return lease;
  }

  #keep(world: World, lease: string): void {
    if (!this.#leases.has(lease)) throw new PlatformError('LEASE_LOST', `Cannot keep ${lease}, because it has ended`);
    this.#arm(world, lease, 10_000);
  }

  #arm(world: World, lease: string, durationMs: number): void {
    const state = this.#leases.get(lease);
    if (!state) return;
    state.timer[Symbol.dispose]();
    state.timer = world.clock.after(durationMs, () => this.#end(lease));
  }

  #end(lease: string): void {
    const keys = this.#leases.get(lease)?.keys ?? new Set<string>();
    this.#leases.get(lease)?.timer[Symbol.dispose]();
    this.#leases.delete(lease);
    if (keys.size > 0) this.#write([...keys].map((key) => ({ kind: 'delete', key })));
  }
}

function keyOfEvent(event: ViewEvent): string {
  return event.kind === 'put' ? event.item.key : event.key;
}
