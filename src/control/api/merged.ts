import { onAbort } from '#base/signal';

/**
 * Several streams as one, in the order in which their items come. Each waits with its next item until the one before was taken, so nothing piles
 * up. Streams may be added while it is read. It ends when the signal aborts or all have ended; the first failure of one is thrown.
 */
export class Merged<Item> implements AsyncIterable<Item> {
  readonly #signal: AbortSignal;
  readonly #ready: { readonly item: Item; readonly taken: () => void }[] = [];
  #running = 0;
  #error: { readonly cause: unknown } | undefined;
  #wake: (() => void) | undefined;
  #isOver = false;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(source: AsyncIterable<Item>): void {
    this.#running += 1;
    this.#pump(source).then(
      () => this.#finished(undefined),
      (cause: unknown) => this.#finished({ cause }),
    );
  }

  async #pump(source: AsyncIterable<Item>): Promise<void> {
    for await (const item of source) {
      if (this.#isOver) return;
      const taken = Promise.withResolvers<void>();
      this.#ready.push({ item, taken: taken.resolve });
      this.#wake?.();
      await taken.promise;
    }
  }

  #finished(error: { readonly cause: unknown } | undefined): void {
    this.#running -= 1;
    this.#error ??= error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    using _listening = onAbort(this.#signal, () => this.#wake?.());
    try {
      while (!this.#signal.aborted) {
        const next = this.#ready.shift();
        if (next) {
          next.taken();
          yield next.item;
          continue;
        }
        if (this.#error) throw this.#error.cause;
        if (this.#running === 0) return;
        const bell = Promise.withResolvers<void>();
        this.#wake = bell.resolve;
        await bell.promise;
      }
    } finally {
      this.#isOver = true;
      for (const { taken } of this.#ready.splice(0)) taken();
    }
  }
}
