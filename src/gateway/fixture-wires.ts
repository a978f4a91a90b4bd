import { connect, createServer, type Server, type Socket } from 'node:net';
import { openRing } from './dataplane/ring/open-ring.ts';
import { ringWires } from './dataplane/ring/ring-wires.ts';
import { STREAM_WIRES } from './dataplane/stream-wire.ts';
import type { Wire, Wires, WireUser } from './dataplane/wire.ts';

const opened = openRing();

/** Each way to carry connections that this machine has; `skip` says why it has not. */
export const WIRES: readonly { readonly name: string; readonly wires: Wires; readonly skip: string | false }[] = [
  { name: 'streams', wires: STREAM_WIRES, skip: false },
  opened.ring === undefined
    ? { name: 'ring', wires: STREAM_WIRES, skip: `no io_uring: ${opened.reason}` }
    : { name: 'ring', wires: ringWires(opened.ring), skip: false },
];

/** What a wire tells, written down. */
export class Recorded implements WireUser {
  readonly told: string[] = [];
  /** Called with each thing as it is told. */
  heard: (what: string) => void = () => undefined;
  readonly #parts: Buffer[] = [];
  #heard = Promise.withResolvers<void>();

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  onBytes(bytes: Buffer, count: number): void {
    this.#parts.push(Buffer.from(bytes.subarray(0, count)));
    this.#hear('bytes');
  }

  onConnected(): void {
    this.#hear('connected');
  }

  onWritable(): void {
    this.#hear('writable');
  }

  onEnded(): void {
    this.#hear('ended');
  }

  onClosed(error: NodeJS.ErrnoException | undefined): void {
    this.#hear(error === undefined ? 'closed' : `closed: ${error.code}`);
  }

  /** Resolves once `holds`, asked after everything that is told. */
  async until(holds: (heard: Recorded) => boolean): Promise<void> {
    while (!holds(this)) await this.#heard.promise;
  }

  #hear(what: string): void {
    this.told.push(what);
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
    this.heard(what);
  }
}

/** A wire that a server of ours accepted, and its client. */
export interface Pair extends Disposable {
  readonly wire: Wire;
  readonly user: Recorded;
  readonly client: Socket;
  readonly server: Server;
}

export async function acceptedPair(wires: Wires): Promise<Pair> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => accepted.resolve(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect({ port: (server.address() as { readonly port: number }).port, host: '127.0.0.1', allowHalfOpen: true });
  client.on('error', () => undefined);
  client.pause();
  const user = new Recorded();
  const wire = wires.accepted(await accepted.promise, user, Buffer.allocUnsafeSlow(64 * 1024));
  return {
    wire,
    user,
    client,
    server,
    [Symbol.dispose]: () => {
      client.destroy();
      wire.destroy();
      server.close();
    },
  };
}

/** One end of a connection of two wires. */
interface End {
  readonly wire: Wire;
  readonly user: Recorded;
}

/** Two wires, one of which connected to the other. */
export interface Link extends Disposable {
  readonly here: End;
  readonly there: End;
}

export async function linked(wires: Wires): Promise<Link> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => accepted.resolve(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { readonly port: number };
  const [here, there] = [new Recorded(), new Recorded()];
  const connected = wires.connected({ host: '127.0.0.1', port }, here, Buffer.allocUnsafeSlow(64 * 1024));
  const wire = wires.accepted(await accepted.promise, there, Buffer.allocUnsafeSlow(64 * 1024));
  await here.until(({ told }) => told.length > 0);
  server.close();
  return {
    here: { wire: connected, user: here },
    there: { wire, user: there },
    [Symbol.dispose]: () => {
      connected.destroy();
      wire.destroy();
    },
  };
}
