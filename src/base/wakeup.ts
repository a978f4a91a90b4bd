import { onAbort } from './signal.ts';

/** A bell: any number of rings while nobody waits count as one. The heart of a level-triggered loop. */
export class Wakeup {
  #rung = false;
  #waiting: PromiseWithResolvers<void> | undefined;

  ring(): void {
    this.#rung = true;
    this.#waiting?.resolve();
  }

  /** Resolves when the bell has rung since the last wait. Rejects with the signal's reason if it aborts first. One waiter at a time. */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#rung) {
      const waiting = Promise.withResolvers<void>();
      this.#waiting = waiting;
      using _listening = onAbort(signal, waiting.reject);
      await waiting.promise;
      this.#waiting = undefined;
    }
    this.#rung = false;
  }
}
