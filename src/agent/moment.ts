import type { Clock, Instant, UnixMs } from '#world/world';

/** One point in time on both clocks: `at` decides within this agent's life, `wall` is for people and for the records that outlive it. */
export interface Moment {
  readonly at: Instant;
  readonly wall: UnixMs;
}

/** No delay of the agent is longer, so a moment of a record that lies further ahead comes from a wall clock that was set back. */
const maxAheadMs = 10 * 60_000;

export function momentNow(clock: Clock): Moment {
  return { at: clock.now(), wall: clock.wall() };
}

export function momentAfter(moment: Moment, delayMs: number): Moment {
  return { at: (moment.at + delayMs) as Instant, wall: Math.round(moment.wall + delayMs) as UnixMs };
}

/**
 * A copy of a value read from a record in which every Moment counts on this agent's clock. The monotonic clock of the agent that wrote it has
 * ended, so here, and only here, the wall clock stands in.
 */
export function rebaseMoments<Value>(value: Value, now: Moment): Value {
  if (Array.isArray(value)) return value.map((item: unknown) => rebaseMoments(item, now)) as Value;
  if (typeof value !== 'object' || value === null) return value;
  if ('wall' in value && 'at' in value && typeof value.wall === 'number') {
    const wall = Math.min(value.wall, now.wall + maxAheadMs);
    return { at: now.at + (wall - now.wall), wall } as Value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rebaseMoments(item, now)])) as Value;
}
