import type { Event } from '#model/event';
import { MAX_EVENTS_PER_OBJECT } from '#model/event';
import { keyOf } from '#model/keys';
import type { Mirrored } from '#model/mirror';
import type { Moment } from '#model/moment';
import type { Operation } from '#store/store';
import type { ClusterSnapshot } from './cluster-snapshot.ts';
import { deleteKey, type LeaderWriter, putJson } from './leader-writer.ts';

/** Operations of one transaction of events, well below the store's limit. */
const MAX_OPERATIONS_PER_WRITE = 100;
/** Events of one pass; more would be noise, and the rest repeats anyway. */
const MAX_EVENTS_PER_PASS = 500;

/** Collects the events of a pass and writes them at its end: bounded per object, and not again what the object's last event says already. */
export class EventLog {
  readonly #epoch: number;
  readonly #collected: Event[] = [];
  #counter = 0;

  constructor(options: { readonly epoch: number }) {
    this.#epoch = options.epoch;
  }

  add(event: Event): void {
    if (this.#collected.length < MAX_EVENTS_PER_PASS) this.#collected.push(event);
  }

  /** Writes what was collected. Events are facts about what was done, so nothing is compared but the epoch. */
  async flush(snapshot: ClusterSnapshot, writer: LeaderWriter): Promise<void> {
    if (this.#collected.length === 0) return;
    const known = snapshot.eventsByObject();
    const fresh = withoutRepetition(this.#collected.splice(0), known);
    const operations = [
      ...fresh.map((event) => putJson(keyOf.event(event.object, this.#sequence(event.at)), event)),
      ...[...countByObject(fresh)].flatMap(([object, added]) => surplus(known.get(object) ?? [], added)),
    ];
    for (let start = 0; start < operations.length; start += MAX_OPERATIONS_PER_WRITE) {
      await writer.write({ compare: [], operations: operations.slice(start, start + MAX_OPERATIONS_PER_WRITE) });
    }
  }

  /** Orders events of one object by time, then as they were added. The epoch keeps two leaders apart. */
  #sequence(at: Moment): string {
    return `${String(Math.floor(at)).padStart(15, '0')}-${this.#epoch}-${String(this.#counter++).padStart(6, '0')}`;
  }
}

function withoutRepetition(events: readonly Event[], known: ReadonlyMap<string, readonly Mirrored<Event>[]>): readonly Event[] {
  const lastByObject = new Map<string, string>();
  return events.filter((event) => {
    const text = textOf(event);
    const last = lastByObject.get(event.object) ?? textOf(known.get(event.object)?.at(-1)?.value);
    lastByObject.set(event.object, text);
    return text !== last;
  });
}

function textOf(event: Event | undefined): string {
  return event === undefined ? '' : `${event.kind} ${event.message}`;
}

function countByObject(events: readonly Event[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { object } of events) counts.set(object, (counts.get(object) ?? 0) + 1);
  return counts;
}

function surplus(known: readonly Mirrored<Event>[], added: number): readonly Operation[] {
  return known.slice(0, Math.max(0, known.length + added - MAX_EVENTS_PER_OBJECT)).map((item) => deleteKey(item.key));
}
