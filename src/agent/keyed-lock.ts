import { unlessAborted } from '#base/signal';

/** One holder per key at a time; the others wait in order. */
export class KeyedLock {
  readonly #tailsByKey = new Map<string, Promise<void>>();

  /** Runs `work` when everybody before has finished. Rejects with the signal's reason if it aborts while waiting; `work` is then never run. */
  async run<Value>(key: string, work: () => Promise<Value>, signal?: AbortSignal): Promise<Value> {
    const before = this.#tailsByKey.get(key) ?? Promise.resolve();
    const done = Promise.withResolvers<void>();
    // Whoever comes next waits for those before us too, even if we leave early.
    const tail = before.then(() => done.promise);
    this.#tailsByKey.set(key, tail);
    try {
      await unlessAborted(before, signal);
      return await work();
    } finally {
      done.resolve();
      if (this.#tailsByKey.get(key) === tail) this.#tailsByKey.delete(key);
    }
  }
}
