import type { Clock } from '#world/world';

/** Who asked whether we are ready within this time is told that we go. */
const askedWithinMs = 60_000;

/** How a gateway goes: of itself, or because another process serves now. */
export class Departure {
  readonly #clock: Clock;
  readonly #due = Promise.withResolvers<void>();
  #askedAt = Number.NEGATIVE_INFINITY;
  #hasBegun = false;
  #isSucceeded = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Another process takes the connections that come. */
  get isSucceeded(): boolean {
    return this.#isSucceeded;
  }

  /** Resolves when no more connections are to be taken. */
  get due(): Promise<void> {
    return this.#due.promise;
  }

  /** Somebody asks whether the gateway is ready. */
  noteAsked(): void {
    this.#askedAt = this.#clock.now();
  }

  /** Whoever asks is told for `preDrainMs` before connections are no longer taken. */
  begin(preDrainMs: number): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    const isAsked = this.#clock.now() - this.#askedAt < askedWithinMs;
    if (isAsked && preDrainMs > 0) this.#clock.after(preDrainMs, this.#due.resolve);
    else this.#due.resolve();
  }

  /** Nobody has to be told: another process serves already. */
  succeeded(): void {
    this.#isSucceeded = true;
    this.begin(0);
  }
}
