import { connect, type Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { type ConnectionOptions, connect as connectSecure, type TLSSocket } from 'node:tls';
import type { Address } from '#world/world';
import { resetSocket } from './dataplane/reset-socket.ts';
import type { Luck } from './fixture-soak-plan.ts';

/** One connection of a client, secure or not. */
export interface SoakConnection {
  readonly socket: Socket;
  /** Cuts it, so that the gateway sees an error and not an end. */
  reset(): void;
}

/** Where the gateway is reached, and how connections to it are made. */
export class SoakDoor {
  readonly address: Address;
  readonly isSecure: boolean;
  /** Of connections before: some clients go on with one. */
  #session: Buffer | undefined;

  constructor(address: Address, isSecure: boolean) {
    this.address = address;
    this.isSecure = isSecure;
  }

  /** Opens a connection that speaks the protocol. */
  open(luck: Luck, protocol: 'h2' | 'http/1.1'): SoakConnection {
    // Node's HTTP/2 does not notice the end of a connection that may be half open.
    const allowHalfOpen = protocol === 'http/1.1';
    const raw = connect({ ...this.address, allowHalfOpen });
    raw.on('error', () => undefined);
    if (!this.isSecure) return { socket: raw, reset: () => resetSocket(raw) };
    const options: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
      socket: raw,
      allowHalfOpen,
      rejectUnauthorized: false,
      ALPNProtocols: protocol === 'h2' || luck.isOneIn(2) ? [protocol] : [],
      maxVersion: luck.isOneIn(3) ? 'TLSv1.2' : 'TLSv1.3',
      ...(this.#session !== undefined && luck.isOneIn(2) ? { session: this.#session } : {}),
    };
    const socket: TLSSocket = connectSecure(options);
    socket.on('session', (session: Buffer) => {
      this.#session = session;
    });
    return {
      socket,
      reset: () => {
        resetSocket(raw, socket);
        socket.destroy();
      },
    };
  }
}

/** Resolves once it takes more, or has closed. */
export async function drained(stream: Writable): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
  });
}
