import { LIMITS } from './limits.ts';

/**
 * Whether a client takes its answer fast enough. Only the time counts during which the client is what is waited for, and only the bytes that were handed
 * over from then on: what the kernel has swallowed before says nothing about the client.
 */
export class TakeRate {
  readonly #stallMs: number;
  #waitingSince = 0;
  #waitedMs = 0;
  #bytes = 0;
  #hasWaited = false;

  constructor(stallMs: number) {
    this.#stallMs = stallMs;
  }

  /** A new answer. */
  begin(): void {
    this.#waitingSince = 0;
    this.#waitedMs = 0;
    this.#bytes = 0;
    this.#hasWaited = false;
  }

  /** More was handed over, and the client does not take it at once: until when it may take its time, in ms. */
  waits(now: number, bytes: number): number {
    this.#bytes += this.#hasWaited ? bytes : 0;
    this.#hasWaited = true;
    if (this.#waitingSince === 0) this.#waitingSince = now;
    const allowedMs = this.#stallMs + (this.#bytes * 1_000) / LIMITS.takeMinBytesPerSecond;
    return Math.min(now + this.#stallMs, this.#waitingSince + allowedMs - this.#waitedMs);
  }

  /** It has taken all that was handed over. */
  taken(now: number): void {
    if (this.#waitingSince === 0) return;
    this.#waitedMs += now - this.#waitingSince;
    this.#waitingSince = 0;
  }
}
