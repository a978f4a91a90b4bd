import { PlatformError } from './errors.ts';

/**
 * A bounded first-in first-out queue between one producer and one consumer. Iterate it once; `end` lets the consumer finish what is queued,
 * `fail` makes it throw. Full → LIMIT at the producer.
 */
export class BoundedQueue<Item> implements AsyncIterable<Item> {
  readonly #items: Item[] = [];
  readonly #limit: number;
  #waiting: PromiseWithResolvers<void> | undefined;
  #ended = false;
  #error: unknown;

  constructor(options: { readonly limit: number }) {
    this.#limit = options.limit;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: Item): void {
    if (this.#ended) return;
    if (this.#items.length >= this.#limit) {
      throw new PlatformError('LIMIT', `Cannot queue an item, because ${this.#limit} are waiting`, { limit: this.#limit });
    }
    this.#items.push(item);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Ends the queue; the consumer gets `error` after what is queued. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#error = error;
    this.end();
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    while (true) {
      while (this.#items.length > 0) yield this.#items.shift() as Item;
      if (this.#ended) break;
      this.#waiting = Promise.withResolvers();
      await this.#waiting.promise;
    }
    if (this.#error !== undefined) throw this.#error;
  }
}
