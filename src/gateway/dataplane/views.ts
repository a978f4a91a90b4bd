/** Lengths are told apart by their last bits: as many views are kept as those can tell. */
const kept = 32;

/**
 * Memory, and views of its beginning that are used again: to make a view costs as much as to scan three field lines, and messages have few different lengths.
 */
export class Views {
  readonly bytes: Buffer;
  readonly #views: Buffer[];

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#views = Array.from({ length: kept }, () => bytes);
  }

  /** The first `length` bytes. */
  first(length: number): Buffer {
    const at = length % kept;
    const known = this.#views[at] as Buffer;
    if (known.length === length) return known;
    const view = this.bytes.subarray(0, length);
    this.#views[at] = view;
    return view;
  }
}
