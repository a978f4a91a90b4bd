import { messageOf } from '#base/errors';
import { Ring } from './ring.ts';

/** The ring of a worker, or why it has none: then each connection is read and written by itself, at a higher cost. */
export type RingOrNot = { readonly ring: Ring } | { readonly ring: undefined; readonly isWanted: boolean; readonly reason: string };

/** Looks whether this machine has what a ring needs. `HAVEN_GATEWAY_RING=off`: it is not wanted. */
export function openRing(): RingOrNot {
  if (process.env['HAVEN_GATEWAY_RING'] === 'off') return { ring: undefined, isWanted: false, reason: 'HAVEN_GATEWAY_RING=off' };
  try {
    return { ring: new Ring() };
  } catch (error) {
    return { ring: undefined, isWanted: true, reason: reasonOf(error) };
  }
}

/** In one line: a module that is not there tells who wanted it in others. */
function reasonOf(error: unknown): string {
  return messageOf(error).split('\n', 1)[0] as string;
}
