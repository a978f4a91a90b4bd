import type { ClientWire } from './wire.ts';

/** Why a client is not read: it sent more than its turn, or its backend does not take what it sends. */
export const HELD = { ahead: 1, upstream: 2 } as const;

/** Reads a wire only while nothing holds it. */
export class Pauses {
  readonly #wire: ClientWire;
  #reasons = 0;

  constructor(wire: ClientWire) {
    this.#wire = wire;
  }

  get isPaused(): boolean {
    return this.#reasons !== 0;
  }

  pause(reason: number): void {
    if (this.#reasons === 0) this.#wire.pause();
    this.#reasons |= reason;
  }

  resume(reason: number): void {
    if (this.#reasons === 0) return;
    this.#reasons &= ~reason;
    if (this.#reasons === 0) this.#wire.resume();
  }
}
