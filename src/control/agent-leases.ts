import { messageOf } from '#base/errors';
import type { Name } from '#base/name';
import { keyOf } from '#model/keys';
import type { LeaseId, Store } from '#store/store';
import type { Instant, World } from '#world/world';

/** No lease is asked for more often. */
const MIN_INTERVAL_MS = 1_000;
/** An agent renews every third of its lease; past this share without a renewal, one was missed (N3). */
const LATE_SHARE = 0.5;

interface Tracked {
  readonly keyRevision: number;
  readonly lease: LeaseId | undefined;
  readonly isLate: boolean;
  readonly dueAt: Instant;
}

/** Watches how much is left of each agent's lease. Asks for one only when it could have become late: renewals change no key. */
export class AgentLeases {
  readonly #world: World;
  readonly #store: Store;
  readonly #onChange: () => void;
  readonly #trackedByNode = new Map<Name, Tracked>();

  constructor(world: World, store: Store, { onChange }: { readonly onChange: () => void }) {
    this.#world = world;
    this.#store = store;
    this.#onChange = onChange;
  }

  isLate(node: Name): boolean {
    return this.#trackedByNode.get(node)?.isLate ?? false;
  }

  /** Tells which agents exist, with the revision of their keys. */
  track(revisionByNode: ReadonlyMap<Name, number>): void {
    for (const node of this.#trackedByNode.keys()) if (!revisionByNode.has(node)) this.#trackedByNode.delete(node);
    for (const [node, keyRevision] of revisionByNode) {
      // Another revision of the key may be under another lease.
      if (this.#trackedByNode.get(node)?.keyRevision === keyRevision) continue;
      this.#trackedByNode.set(node, { keyRevision, lease: undefined, isLate: false, dueAt: this.#in(MIN_INTERVAL_MS) });
    }
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const [node, tracked] of this.#trackedByNode) if (tracked.dueAt <= this.#world.clock.now()) await this.#check(node, tracked);
      await this.#world.clock.sleep(MIN_INTERVAL_MS, signal).catch(() => undefined);
    }
  }

  async #check(node: Name, tracked: Tracked): Promise<void> {
    const checked = await this.#look(node, tracked).catch((error: unknown) => {
      this.#world.log.write('debug', 'lease of agent not read', { node, cause: messageOf(error) });
      return { ...tracked, dueAt: this.#in(MIN_INTERVAL_MS) };
    });
    if (this.#trackedByNode.get(node) !== tracked) return;
    this.#trackedByNode.set(node, checked);
    if (checked.isLate !== tracked.isLate) this.#onChange();
  }

  async #look(node: Name, tracked: Tracked): Promise<Tracked> {
    const lease = tracked.lease ?? (await this.#store.get(keyOf.agent(node)))?.lease;
    const status = lease === undefined ? undefined : await this.#store.leaseStatus(lease);
    if (lease === undefined || status === undefined) return { ...tracked, dueAt: this.#in(MIN_INTERVAL_MS) };
    const untilLateMs = status.remainingMs - status.durationMs * (1 - LATE_SHARE);
    return { keyRevision: tracked.keyRevision, lease, isLate: untilLateMs <= 0, dueAt: this.#in(Math.max(MIN_INTERVAL_MS, untilLateMs)) };
  }

  #in(delayMs: number): Instant {
    return (this.#world.clock.now() + delayMs) as Instant;
  }
}
