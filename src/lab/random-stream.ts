const TO_UNIT = 2 ** -53;

/** Uniform numbers, however they come about. */
export interface Uniforms {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform in (0, 1]: never zero, for logarithms. */
  positive(): number;
  integer(below: number): number;
}

/** A seeded stream of luck (sfc32, Doty-Humphrey's small fast counting generator). Streams of one seed with different names are independent. */
export class RandomStream implements Uniforms {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, name: string) {
    let hash = 0x811c9dc5;
    for (let index = 0; index < name.length; index += 1) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
    this.#a = hash | 0;
    this.#b = seed | 0;
    this.#c = Math.floor(seed / 2 ** 32) | 0;
    for (let round = 0; round < 16; round += 1) this.bits();
  }

  /** 32 random bits as a signed integer. */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum;
  }

  /** Uniform in [0, 1), 53 bits. */
  next(): number {
    return ((this.bits() >>> 5) * 0x4000000 + (this.bits() >>> 6)) * TO_UNIT;
  }

  /** Uniform in (0, 1]: never zero, for logarithms. */
  positive(): number {
    return 1 - this.next();
  }

  integer(below: number): number {
    return Math.floor(this.next() * below);
  }
}

/**
 * Uniform numbers of which every `count` in a row fall one into each of `count` equal parts of [0, 1), in random order. The rare large
 * values of a heavy tail then come as often as they should, not as often as luck has it (Saliby, Descriptive sampling, 1990). Every
 * draw must use exactly one number.
 */
export class StratifiedStream {
  readonly #random: RandomStream;
  readonly #strata: Uint32Array;
  #used: number;

  constructor(random: RandomStream, count: number) {
    this.#random = random;
    this.#strata = new Uint32Array(count);
    for (let index = 0; index < count; index += 1) this.#strata[index] = index;
    this.#used = count;
  }

  next(): number {
    const strata = this.#strata;
    if (this.#used === strata.length) this.#shuffle();
    const stratum = strata[this.#used] as number;
    this.#used += 1;
    return (stratum + this.#random.next()) / strata.length;
  }

  #shuffle(): void {
    const strata = this.#strata;
    for (let index = strata.length - 1; index > 0; index -= 1) {
      const other = this.#random.integer(index + 1);
      const kept = strata[index] as number;
      strata[index] = strata[other] as number;
      strata[other] = kept;
    }
    this.#used = 0;
  }
}
