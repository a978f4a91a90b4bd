import { type Event, MAX_EVENTS_PER_OBJECT } from '#model/event';
import { keyOf } from '#model/keys';
import type { Store } from '#store/store';
import type { World } from '#world/world';

/** Writes an event of an object and drops the oldest beyond the limit. An event that cannot be written is logged: the deed it tells of was done. */
export async function recordEvent(world: Pick<World, 'clock' | 'random' | 'log'>, store: Store, event: Omit<Event, 'at'>): Promise<void> {
  const at = world.clock.wall();
  // Order of time; the end keeps two writers of one millisecond apart.
  const sequence = `${String(at).padStart(15, '0')}-${world.random
    .integer(2 ** 24)
    .toString(16)
    .padStart(6, '0')}`;
  try {
    const { items } = await store.list({ prefix: keyOf.eventsOf(event.object) });
    const old = items.slice(0, Math.max(0, items.length + 1 - MAX_EVENTS_PER_OBJECT));
    await store.transact({
      compare: [],
      then: [
        { kind: 'put', key: keyOf.event(event.object, sequence), value: JSON.stringify({ ...event, at }) },
        ...old.slice(0, 100).map(({ key }) => ({ kind: 'delete' as const, range: { key } })),
      ],
    });
  } catch (error) {
    world.log.write('warn', 'An event could not be written', { object: event.object, kind: event.kind, error: String(error) });
  }
}
