import { compareKeys } from './key-order.ts';
import type { KeyRange } from './store.ts';

interface Keyed {
  readonly key: string;
}

/** Entries by key, iterable by range in UTF-8 byte order. Sorted chunks of at most `CHUNK` entries; an index finds single keys. */
export class OrderedMap<Entry extends Keyed> {
  readonly #byKey = new Map<string, Entry>();
  /** Every chunk is sorted and not empty, and ends before the next begins. */
  readonly #chunks: Entry[][] = [];

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): Entry | undefined {
    return this.#byKey.get(key);
  }

  /** Adds an entry whose key is not there yet. */
  add(entry: Entry): void {
    this.#byKey.set(entry.key, entry);
    const index = this.#chunkOf(entry.key);
    const chunk = this.#chunks[index];
    if (!chunk) {
      this.#chunks.push([entry]);
      return;
    }
    chunk.splice(lowerBound(chunk, entry.key), 0, entry);
    if (chunk.length > CHUNK) this.#chunks.splice(index + 1, 0, chunk.splice(CHUNK / 2));
  }

  remove(key: string): void {
    if (!this.#byKey.delete(key)) return;
    const index = this.#chunkOf(key);
    const chunk = this.#chunks[index] as Entry[];
    chunk.splice(lowerBound(chunk, key), 1);
    if (chunk.length === 0) this.#chunks.splice(index, 1);
  }

  /** Visits the entries of the range in key order. The visitor must not add or remove. */
  forEach(range: KeyRange, visit: (entry: Entry) => void): void {
    if ('key' in range) {
      const entry = this.#byKey.get(range.key);
      if (entry) visit(entry);
      return;
    }
    const from = 'prefix' in range ? range.prefix : range.from;
    const isInside = 'prefix' in range ? (key: string) => key.startsWith(range.prefix) : (key: string) => compareKeys(key, range.before) < 0;
    const first = this.#chunkOf(from);
    for (let index = first; index < this.#chunks.length; index++) {
      const chunk = this.#chunks[index] as Entry[];
      for (let i = index === first ? lowerBound(chunk, from) : 0; i < chunk.length; i++) {
        const entry = chunk[i] as Entry;
        if (!isInside(entry.key)) return;
        visit(entry);
      }
    }
  }

  /** The last chunk that begins at or before the key; the first if none does. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const head = (this.#chunks[middle] as Entry[])[0] as Entry;
      if (compareKeys(head.key, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

// Small enough that moving half of it costs less than finding it, large enough that 100,000 keys make a few hundred chunks.
const CHUNK = 512;

/** Index of the first entry at or after the key. */
function lowerBound(entries: readonly Keyed[], key: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys((entries[middle] as Keyed).key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
