import type { Clock } from '#world/world';

interface Round {
  left: number;
  readonly end: () => void;
}

/** Rounds in which all workers are asked for their counters. */
export class SampleRounds {
  readonly #clock: Clock;
  readonly #open = new Map<number, Round>();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `ask` puts the question, with the number of the round, to so many workers. Resolves when all have answered, after `withinMs`, or when the signal aborts meanwhile. */
  async run(
    asked: number,
    { ask, withinMs, signal }: { readonly ask: (round: number) => void; readonly withinMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    if (asked === 0) return;
    const round = ++this.#last;
    const over = Promise.withResolvers<void>();
    const end = () => over.resolve();
    this.#open.set(round, { left: asked, end });
    ask(round);
    using _timeout = this.#clock.after(withinMs, end);
    // Not `onAbort`: workers that drain are still asked.
    signal.addEventListener('abort', end, { once: true });
    await over.promise;
    signal.removeEventListener('abort', end);
    this.#open.delete(round);
  }

  /** One worker has answered. */
  answered(round: number): void {
    const open = this.#open.get(round);
    if (open !== undefined && --open.left === 0) open.end();
  }
}
