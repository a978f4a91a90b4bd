import type { SystemCalls } from './system-calls.ts';

/** Mapped at once. */
const blocksPerMap = 128;
export const BLOCK_BYTES = 16 * 1024;

/** Memory that the kernel sends from. */
export interface SendBlock {
  readonly bytes: Buffer;
  readonly address: number;
}

/** Blocks that are free, the last one used first: it is still in the processor's cache. Each connection has one at most, so there are never more than connections. */
export class SendBlocks {
  readonly #calls: SystemCalls;
  readonly #free: SendBlock[] = [];

  constructor(calls: SystemCalls) {
    this.#calls = calls;
  }

  take(): SendBlock {
    if (this.#free.length === 0) this.#grow();
    return this.#free.pop() as SendBlock;
  }

  give(block: SendBlock): void {
    this.#free.push(block);
  }

  #grow(): void {
    const { address, memory } = this.#calls.map(blocksPerMap * BLOCK_BYTES);
    for (let at = blocksPerMap - 1; at >= 0; at--) {
      this.#free.push({ bytes: Buffer.from(memory, at * BLOCK_BYTES, BLOCK_BYTES), address: address + at * BLOCK_BYTES });
    }
  }
}
