import type { Socket } from 'node:net';
import { ClientConnection } from './client-connection.ts';
import { LIMITS } from './limits.ts';
import type { ListenerSettings } from './listener-settings.ts';
import { type Origin, originOf } from './origin.ts';
import type { Plane } from './plane.ts';

/**
 * How an accepted socket of one listener becomes a connection, step by step: who the client is, what it speaks, and who serves that.
 *
 * F1: until a step hands the socket on, that step ends it, on error and when its time is over. F2: a step that has read more than its own leaves the rest in the
 * socket (`unshift`); the next one takes it.
 */
export class FrontDoor {
  /** For connections that come from now on. */
  settings: ListenerSettings;
  readonly #plane: Plane;

  constructor(plane: Plane, settings: ListenerSettings) {
    this.#plane = plane;
    this.settings = settings;
  }

  /** Takes a socket that is paused. */
  accept(socket: Socket): void {
    if (this.#plane.clients.size >= LIMITS.clientConnections) {
      socket.destroy();
      return;
    }
    this.#open(socket, originOf(socket, this.settings));
  }

  /** The last step: who the client is and what it speaks are known. */
  #open(socket: Socket, origin: Origin): void {
    new ClientConnection(this.#plane, socket, origin);
  }
}
