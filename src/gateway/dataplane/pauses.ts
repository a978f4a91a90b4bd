/** Why a client is not read: it sent more than its turn, or its backend does not take what it sends. */
export const HELD = { ahead: 1, upstream: 2 } as const;

/** What can be read or left alone. */
interface Pausable {
  pause(): unknown;
  resume(): unknown;
}

/** Reads a wire, or a stream, only while nothing holds it. */
export class Pauses {
  readonly #source: Pausable;
  #reasons = 0;

  constructor(source: Pausable) {
    this.#source = source;
  }

  get isPaused(): boolean {
    return this.#reasons !== 0;
  }

  pause(reason: number): void {
    if (this.#reasons === 0) this.#source.pause();
    this.#reasons |= reason;
  }

  resume(reason: number): void {
    if (this.#reasons === 0) return;
    this.#reasons &= ~reason;
    if (this.#reasons === 0) this.#source.resume();
  }
}
