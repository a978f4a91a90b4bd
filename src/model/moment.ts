import type { UnixMs } from '#world/world';

/** A moment written into an object of the store: what policies call "now", since they may not ask the world. */
export type Moment = UnixMs;

/** The moment `delayMs` after another. */
export function later(moment: Moment, delayMs: number): Moment {
  return (moment + delayMs) as Moment;
}
