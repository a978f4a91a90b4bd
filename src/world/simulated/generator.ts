import { assert } from '#base/assert';
import type { Random } from '../world.ts';

/**
 * A seeded random number generator, the same everywhere: sfc32 by Chris Doty-Humphrey (PractRand, "Small Fast Counting RNG"), 128 bits of
 * state, passes BigCrush. Not fit for secrets.
 */
export class Generator implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Streams with different `seed` or `label` are independent. */
  constructor(seed: number, label = '') {
    this.#a = hash(label, seed | 0);
    this.#b = hash(label, Math.floor(seed / 2 ** 32) ^ 0x9e3779b9);
    this.#c = hash(label, ~seed);
    // The author's advice: the first outputs still show the seed.
    for (let i = 0; i < 15; i++) this.uint32();
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  next(): number {
    return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53;
  }

  integer(below: number): number {
    assert(Number.isSafeInteger(below) && below > 0, `random.integer(${below}): not a positive integer`);
    return Math.floor(this.next() * below);
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: count }, () => this.uint32() & 0xff);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of the items, of which there must be any. */
  pick<Item>(items: readonly Item[]): Item {
    assert(items.length > 0, 'random.pick: nothing to pick from');
    return items[this.integer(items.length)] as Item;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** Exponential with this mean. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }
}

/** FNV-1a of the text's UTF-16 units, from a start value, with murmur3's 32-bit finaliser to spread short texts. */
function hash(text: string, start: number): number {
  let value = 0x811c9dc5 ^ start;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) | 0;
}
