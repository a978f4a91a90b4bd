import type { Socket } from 'node:net';
import { ClientConnection } from './client-connection.ts';
import { AddressSet } from './ip-address.ts';
import { LIMITS } from './limits.ts';
import type { ListenerSettings } from './listener-settings.ts';
import { type Origin, originBehind, originOf } from './origin.ts';
import type { Plane } from './plane.ts';
import { readProxyHeader } from './proxy-step.ts';

/**
 * How an accepted socket of one listener becomes a connection, step by step: who the client is, what it speaks, and who serves that.
 *
 * F1: until a step hands the socket on, that step ends it, on error and when its time is over. F2: a step that has read more than its own leaves the rest in the
 * socket (`unshift`); the next one takes it.
 */
export class FrontDoor {
  readonly #plane: Plane;
  #settings: ListenerSettings;
  #proxies: AddressSet | undefined;

  constructor(plane: Plane, settings: ListenerSettings) {
    this.#plane = plane;
    this.#settings = settings;
    this.settings = settings;
  }

  /** For connections that come from now on. */
  set settings(settings: ListenerSettings) {
    this.#settings = settings;
    this.#proxies = settings.proxyFrom && new AddressSet(settings.proxyFrom);
  }

  /** Takes a socket that is paused. */
  accept(socket: Socket): void {
    const { clients, opening } = this.#plane;
    if (clients.size + opening.size >= LIMITS.clientConnections) {
      socket.destroy();
      return;
    }
    const origin = originOf(socket, this.#settings);
    // A header of somebody else is not believed: for us it is what the client sends.
    if (this.#proxies?.has(origin.peer)) this.#askProxy(socket, origin);
    else this.#open(socket, origin);
  }

  #askProxy(socket: Socket, origin: Origin): void {
    const { opening } = this.#plane;
    opening.add(socket);
    readProxyHeader(socket, (outcome) => {
      opening.delete(socket);
      if (outcome.kind !== 'refused') this.#open(socket, originBehind(origin, outcome));
      else if (outcome.why !== undefined) this.#plane.countRefusal(`proxy-${outcome.why}`);
    });
  }

  /** The last step: who the client is and what it speaks are known. */
  #open(socket: Socket, origin: Origin): void {
    new ClientConnection(this.#plane, socket, origin);
  }
}
