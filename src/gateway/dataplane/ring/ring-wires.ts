import type { Wires } from '../wire.ts';
import type { Ring } from './ring.ts';
import { RingWire } from './ring-wire.ts';

/** The ring carries all connections. */
export function ringWires(ring: Ring): Wires {
  return {
    gathers: true,
    accepted: (socket, user, _buffer, gone) => RingWire.accepted(ring, socket, user, gone),
    connected: (address, user, _buffer, options) => RingWire.connected(ring, address, user, options),
  };
}
