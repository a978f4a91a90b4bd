/** Memory for requests under way, used again: a small piece for most, a large one for a body that is kept for another try. */
export class Slabs {
  readonly #small: Buffer[] = [];
  readonly #large: Buffer[] = [];

  takeSmall(): Buffer {
    return this.#small.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES.small);
  }

  takeLarge(): Buffer {
    return this.#large.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES.large);
  }

  /** Only when nothing refers to it any more, a pending write included. */
  give(slab: Buffer): void {
    const free = slab.length === SLAB_BYTES.small ? this.#small : this.#large;
    if (free.length < mostFree) free.push(slab);
  }
}

/** The large one holds the longest head and the longest body that is kept. */
export const SLAB_BYTES = { small: 8 * 1024, large: 128 * 1024 } as const;

const mostFree = 256;
