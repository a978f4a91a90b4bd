import { highWord, lowWord } from './queues.ts';
import { RingError, type SystemCalls } from './system-calls.ts';

/** A power of two. */
const buffers = 128;
export const BUFFER_BYTES = 32 * 1024;
const registerBuffers = 22;
/** Of an entry, and of the registration. */
const BYTES = { entry: 16, registration: 40 } as const;
/** The reserved half-word of the first entry is the tail. */
const tailAt = 7;

/**
 * Memory that the kernel receives into: it takes a buffer when bytes have come, so that a connection that waits needs none (io_uring_register_buf_ring(3)).
 *
 * A buffer is read or copied, and given back, before the event loop goes on: all that have come in one turn need one each, and no connection keeps one.
 */
export class ReceiveBuffers {
  readonly group = 0;
  /** How a receive takes them. */
  readonly one = { group: this.group, again: false };
  readonly many = { group: this.group, again: true };
  readonly #buffers: Buffer[];
  readonly #address: number;
  readonly #words: Uint32Array;
  readonly #halves: Uint16Array;
  #tail = 0;

  constructor(calls: SystemCalls, ring: number) {
    const pool = calls.map(buffers * BUFFER_BYTES);
    this.#address = pool.address;
    this.#buffers = Array.from({ length: buffers }, (_, id) => Buffer.from(pool.memory, id * BUFFER_BYTES, BUFFER_BYTES));
    const shared = calls.map(buffers * BYTES.entry);
    this.#words = new Uint32Array(shared.memory);
    this.#halves = new Uint16Array(shared.memory);
    const registration = Buffer.alloc(BYTES.registration);
    registration.writeBigUInt64LE(BigInt(shared.address), 0);
    registration.writeUInt32LE(buffers, 8);
    registration.writeUInt16LE(this.group, 12);
    const result = calls.register(ring, registerBuffers, registration);
    if (result < 0) throw new RingError('io_uring_register of buffers', result);
    for (let id = 0; id < buffers; id++) this.give(id);
  }

  /** What the kernel has received into this one. */
  bytes(id: number): Buffer {
    return this.#buffers[id] as Buffer;
  }

  /** Nobody reads it any more. */
  give(id: number): void {
    const at = this.#tail & (buffers - 1);
    const address = this.#address + id * BUFFER_BYTES;
    this.#words[at * 4] = lowWord(address);
    this.#words[at * 4 + 1] = highWord(address);
    this.#words[at * 4 + 2] = BUFFER_BYTES;
    this.#halves[at * 8 + 6] = id;
    this.#tail = (this.#tail + 1) & 0xffff;
    Atomics.store(this.#halves, tailAt, this.#tail);
  }
}
