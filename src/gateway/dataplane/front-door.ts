import type { Socket } from 'node:net';
import { TlsDoor } from '../tls/tls-door.ts';
import { ClientConnection } from './client-connection.ts';
import { Http2Connection } from './http2/http2-connection.ts';
import { AddressSet } from './ip-address.ts';
import { LIMITS } from './limits.ts';
import type { ListenerSettings } from './listener-settings.ts';
import { type Origin, originBehind, originOf } from './origin.ts';
import type { Plane } from './plane.ts';
import { readProtocol } from './protocol-step.ts';
import { readProxyHeader } from './proxy-step.ts';
import { openTunnel } from './tcp-tunnel.ts';
import { TlsWire } from './tls-wire.ts';
import type { Wire, WireUser } from './wire.ts';

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
  #tls: TlsDoor | undefined;
  #trusted: AddressSet | undefined;

  constructor(plane: Plane, settings: ListenerSettings) {
    this.#plane = plane;
    this.#settings = settings;
    this.settings = settings;
  }

  /** For connections that come from now on; those that are here keep theirs. */
  set settings(settings: ListenerSettings) {
    this.#settings = settings;
    this.#proxies = settings.proxyFrom && new AddressSet(settings.proxyFrom);
    this.#tls = settings.tls && new TlsDoor(this.#plane.tls, settings.tls);
    this.#trusted = settings.trust && new AddressSet(settings.trust.from);
  }

  /** Takes a socket that is paused. */
  accept(socket: Socket): void {
    const { clients, opening, connections } = this.#plane;
    const { connections: most = LIMITS.clientConnections } = this.#settings.limits ?? {};
    const open = clients.size + opening.size;
    const refusal = open >= most ? 'total' : open >= connections.room ? 'files' : opening.size >= LIMITS.opening ? 'opening' : undefined;
    if (refusal !== undefined) {
      connections.refused[refusal]++;
      socket.destroy();
      return;
    }
    const origin = originOf(socket, this.#settings);
    // A header of somebody else is not believed: for us it is what the client sends.
    if (this.#proxies?.has(origin.peer)) this.#askProxy(socket, origin);
    else this.#enter(socket, origin);
  }

  #askProxy(socket: Socket, origin: Origin): void {
    const { opening } = this.#plane;
    opening.add(socket);
    readProxyHeader(socket, (outcome) => {
      opening.delete(socket);
      if (outcome.kind !== 'refused') this.#enter(socket, originBehind(origin, outcome));
      else if (outcome.why !== undefined) this.#plane.countRefusal(`proxy-${outcome.why}`);
    });
  }

  /** The client is known: it is let in if it has not too much already, or is a proxy that has many clients. */
  #enter(socket: Socket, from: Origin): void {
    const trustedHops = this.#trusted?.has(from.peer) ? (this.#settings.trust?.hops ?? 0) : 0;
    if (trustedHops > 0) {
      this.#secure(socket, { ...from, trustedHops }, undefined);
      return;
    }
    const leave = this.#plane.connections.enter(from.peer, this.#settings.limits?.connectionsPerClient ?? LIMITS.connectionsPerClient);
    if (leave === undefined) socket.destroy();
    else this.#secure(socket, from, leave);
  }

  #secure(socket: Socket, origin: Origin, gone: (() => void) | undefined): void {
    if (this.#tls === undefined) {
      this.#openPlain(socket, origin, gone);
      return;
    }
    const { opening } = this.#plane;
    opening.add(socket);
    // F1: what broke is told by its close.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      opening.delete(socket);
      gone?.();
    });
    this.#tls.secure(socket, origin, (secured, its) => {
      opening.delete(socket);
      if (secured.alpnProtocol === 'h2') this.#serve(() => new Http2Connection(this.#plane, secured, its, socket));
      else this.#serveBytes(its, (user) => new TlsWire(secured, socket, user, this.#plane.readBuffer), secured);
    });
  }

  #openPlain(socket: Socket, origin: Origin, gone: (() => void) | undefined): void {
    const openWire = (user: WireUser) => this.#plane.wires.accepted(socket, user, this.#plane.readBuffer, gone);
    if (this.#settings.http2 !== true) {
      this.#serveBytes(origin, openWire, socket);
      return;
    }
    const { opening } = this.#plane;
    opening.add(socket);
    readProtocol(socket, (protocol) => {
      opening.delete(socket);
      if (protocol === undefined) gone?.();
      else if (protocol === 'http/1.1') this.#serveBytes(origin, openWire, socket);
      else {
        socket.once('close', () => gone?.());
        this.#serve(() => new Http2Connection(this.#plane, socket, origin));
      }
    });
  }

  #serveBytes(origin: Origin, openWire: (user: WireUser) => Wire, socket: Socket): void {
    // What came with an earlier step's bytes.
    const early: Buffer | null = socket.readableLength > 0 ? socket.read() : null;
    const { tcp } = this.#settings;
    if (tcp !== undefined) openTunnel(this.#plane, { service: tcp, origin, openWire, early });
    else this.#serve(() => new ClientConnection(this.#plane, origin, openWire, early));
  }

  /** The last step: who the client is and what it speaks are known. */
  #serve(open: () => void): void {
    const { unproven, connections } = this.#plane;
    if (unproven.size >= LIMITS.unproven) {
      connections.refused.unproven++;
      for (const oldest of unproven) {
        oldest.destroy();
        break;
      }
    }
    open();
  }
}
