import { isInRange } from '../key-order.ts';
import type { KeyRange, KeyValue, LeaseId, Revision, WatchBatch } from '../store.ts';

interface Moment {
  readonly items: ReadonlyMap<string, KeyValue>;
  /** What changed: the item, or `undefined` for a deletion. */
  readonly changes: ReadonlyMap<string, KeyValue | undefined>;
}

/** The plainest store there is: a copy of everything for each revision. What any other store answers must be in here. */
export class StoreModel {
  readonly #moments: Moment[] = [
    { items: new Map(), changes: new Map() },
    { items: new Map(), changes: new Map() },
  ];

  get revision(): number {
    return this.#moments.length - 1;
  }

  /** Puts (text) and deletions (`undefined`) by key, in one revision, if they change anything. */
  write(writes: ReadonlyMap<string, { readonly value: string; readonly lease?: LeaseId | undefined } | undefined>): void {
    const items = new Map(this.itemsAt(this.revision));
    const changes = new Map<string, KeyValue | undefined>();
    const revision = (this.revision + 1) as Revision;
    for (const [key, put] of writes) {
      const before = items.get(key);
      if (put) {
        const item = {
          key,
          value: put.value,
          createRevision: before?.createRevision ?? revision,
          modRevision: revision,
          version: (before?.version ?? 0) + 1,
          ...(put.lease === undefined ? {} : { lease: put.lease }),
        };
        items.set(key, item);
        changes.set(key, item);
      } else if (items.delete(key)) {
        changes.set(key, undefined);
      }
    }
    if (changes.size > 0) this.#moments.push({ items, changes });
  }

  itemsAt(revision: number): ReadonlyMap<string, KeyValue> {
    return this.#moments[revision]?.items ?? new Map();
  }

  /** Items of the range in byte order. */
  list(range: KeyRange, revision: number): KeyValue[] {
    const items = [...this.itemsAt(revision).values()].filter((item) => isInRange(range, item.key));
    return items.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  /** The events of the revision in the range, as a watch that asks for what was before must tell them, sorted by key. */
  eventsAt(range: KeyRange, revision: number): WatchBatch['events'] {
    const events: WatchBatch['events'][number][] = [];
    for (const [key, item] of this.#moments[revision]?.changes ?? []) {
      if (!isInRange(range, key)) continue;
      const before = this.itemsAt(revision - 1).get(key);
      const previous = before && { previous: before };
      events.push(item ? { kind: 'put', item, ...previous } : { kind: 'delete', key, modRevision: revision as Revision, ...previous });
    }
    return sortEvents(events);
  }
}

/** Events of one revision in an order that does not depend on the store. */
export function sortEvents(events: WatchBatch['events']): WatchBatch['events'] {
  const keyOf = (event: WatchBatch['events'][number]) => (event.kind === 'put' ? event.item.key : event.key);
  return [...events].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
