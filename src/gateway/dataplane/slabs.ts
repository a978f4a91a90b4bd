import { LIMITS } from './limits.ts';
import { Views } from './views.ts';

/** Memory for requests under way, used again: a small piece for most, a large one for a body that is kept for another try. */
export class Slabs {
  readonly #small: Views[] = [];
  readonly #large: Views[] = [];
  readonly #reads: Buffer[] = [];

  takeSmall(): Views {
    return this.#small.pop() ?? new Views(Buffer.allocUnsafeSlow(SLAB_BYTES.small));
  }

  takeLarge(): Views {
    return this.#large.pop() ?? new Views(Buffer.allocUnsafeSlow(SLAB_BYTES.large));
  }

  /** What a body is read into that comes in several reads. */
  takeRead(): Buffer {
    return this.#reads.pop() ?? Buffer.allocUnsafeSlow(LIMITS.readBytes);
  }

  /** Only when no pending write refers to it. */
  giveRead(buffer: Buffer): void {
    if (this.#reads.length < mostFreeReads) this.#reads.push(buffer);
  }

  /** Only when nothing refers to it any more, a pending write included. */
  give(slab: Views): void {
    const free = slab.bytes.length === SLAB_BYTES.small ? this.#small : this.#large;
    if (free.length < mostFree) free.push(slab);
  }
}

/** The large one holds the longest head and the longest body that is kept. */
export const SLAB_BYTES = { small: 8 * 1024, large: 128 * 1024 } as const;

const mostFree = 256;
const mostFreeReads = 64;
