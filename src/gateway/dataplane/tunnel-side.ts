import type { Wire, WireUser } from './wire.ts';

/** What hears of both sides of a tunnel. */
export interface TunnelUser {
  /** The one to the backend is open. */
  connected(): void;
  pass(from: TunnelSide, bytes: Buffer, count: number): void;
  /** It has taken all it was handed. */
  taken(by: TunnelSide): void;
  /** It sends nothing more. */
  sideEnded(side: TunnelSide): void;
  sideClosed(side: TunnelSide, error: Error | undefined): void;
}

/** One of the two connections of a tunnel. */
export class TunnelSide implements WireUser {
  readonly wire: Wire;
  isPaused = false;
  /** What is being written to it. */
  writing: Buffer | undefined;
  hasEnded = false;
  isClosed = false;
  readonly #tunnel: TunnelUser;

  constructor(tunnel: TunnelUser, openWire: (user: WireUser) => Wire) {
    this.#tunnel = tunnel;
    this.wire = openWire(this);
  }

  onBytes(bytes: Buffer, count: number): void {
    this.#tunnel.pass(this, bytes, count);
  }

  onConnected(): void {
    this.#tunnel.connected();
  }

  onWritable(): void {
    this.#tunnel.taken(this);
  }

  onEnded(): void {
    this.#tunnel.sideEnded(this);
  }

  onClosed(error: Error | undefined): void {
    this.#tunnel.sideClosed(this, error);
  }
}
