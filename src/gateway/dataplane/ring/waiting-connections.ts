import { closeSync } from 'node:fs';
import type { Server } from 'node:net';
import type { SystemCalls } from './system-calls.ts';

/** In one turn of the event loop: a connection that is open waits for them, and other workers at this port are to have some too. */
const mostPerTurn = 16;

/** What a server of Node is below, as far as it is used here. It is not documented: where it is another, the server accepts by itself. */
interface ListeningHandle {
  readonly fd?: number;
  onconnection?(error: number, client: TcpHandle): void;
}

interface TcpHandle {
  open(file: number): number;
}

interface TcpBinding {
  readonly TCP: new (type: number) => TcpHandle;
  readonly constants: { readonly SOCKET: number };
}

/**
 * Accepts what waits behind the connection that a server has accepted: libuv takes one in each turn of the event loop, and with the turns of a busy worker the last of hundreds that
 * come at once would wait for seconds, while those before it are served.
 */
export class WaitingConnections {
  readonly #calls: SystemCalls;
  readonly #binding: Partial<TcpBinding>;
  #isTaking = false;

  constructor(calls: SystemCalls) {
    this.#calls = calls;
    this.#binding = (process as unknown as { binding(name: string): Partial<TcpBinding> }).binding('tcp_wrap');
  }

  /** To be called when the server has accepted one; it then tells of the others as of that one. */
  take(server: Server): void {
    if (this.#isTaking) return;
    this.#isTaking = true;
    try {
      for (let taken = 0; taken < mostPerTurn && this.#takeOne(server); taken++);
    } finally {
      this.#isTaking = false;
    }
  }

  #takeOne(server: Server): boolean {
    const { TCP, constants } = this.#binding;
    const listening = (server as unknown as { readonly _handle: ListeningHandle | null })._handle;
    if (TCP === undefined || constants === undefined || listening?.fd === undefined || listening.onconnection === undefined) return false;
    const file = this.#calls.accept(listening.fd);
    // None waits. Where there is no file left for it the server finds that too, and knows what to do.
    if (file < 0) return false;
    const client = new TCP(constants.SOCKET);
    if (client.open(file) === 0) listening.onconnection(0, client);
    else closeSync(file);
    return true;
  }
}
