import type { Socket } from 'node:net';
import type { ListenerSettings } from './listener-settings.ts';

/** Where a connection comes from and how it came in: what holds for all its requests. */
export interface Origin {
  /** The client's address; IPv4 where it is one. */
  readonly peer: string;
  /** Of ours, that the client connected to. */
  readonly port: number;
  readonly scheme: 'http' | 'https';
  /** All requests go to the service with this internal port. */
  readonly internalPort: number | undefined;
}

/** The origin of a socket as the kernel knows it. */
export function originOf(socket: Socket, settings: ListenerSettings): Origin {
  return { peer: plainAddress(socket.remoteAddress ?? ''), port: socket.localPort ?? 0, scheme: 'http', internalPort: settings.internalPort };
}

/** An IPv4 client of an IPv6 listener is an IPv4 client. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
