import { assert } from '#base/assert';
import type { Random } from '../world.ts';

// An import would read every export of the module and load what is behind: 1 MB for each program and thread.
const { randomBytes, randomFillSync } = process.getBuiltinModule('node:crypto');

const poolNumbers = 1_024;

/** The kernel's generator by way of OpenSSL. Numbers come from a pool, because one call for each would cost a microsecond. */
export class NodeRandom implements Random {
  // No DataView: once compiled, `randomFillSync` of Node 24 says of some calls that a DataView is none of what it takes.
  readonly #pool = new Uint32Array(poolNumbers);
  #used = poolNumbers;

  next(): number {
    // 53 random bits, the width of a double's mantissa.
    return ((this.#uint32() >>> 5) * 2 ** 26 + (this.#uint32() >>> 6)) / 2 ** 53;
  }

  integer(below: number): number {
    assert(Number.isSafeInteger(below) && below > 0, `random.integer(${below}): not a positive integer`);
    // The bias of flooring 53 bits is below 2 ** -21 for every range up to 2 ** 32: no decision of Haven can notice.
    return Math.floor(this.next() * below);
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(count);
    bytes.set(randomBytes(count));
    return bytes;
  }

  #uint32(): number {
    if (this.#used >= poolNumbers) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    return this.#pool[this.#used++] as number;
  }
}
