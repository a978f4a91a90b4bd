import { LIMITS } from './limits.ts';

/** Kept for the next that wait. */
const keptBuffers = 32;

/**
 * Memory for bytes on their way through tunnels. What is written at once needs only the one in use; a write that waits keeps its buffer until it is done, and another one is
 * used from then on. So each direction that waits costs one buffer, and one that goes on costs nothing.
 */
export class TunnelBuffers {
  current: Buffer = Buffer.allocUnsafeSlow(LIMITS.readBytes);
  readonly #free: Buffer[] = [];

  /** The one in use stays with who is writing it. */
  lend(): Buffer {
    const lent = this.current;
    this.current = this.#free.pop() ?? Buffer.allocUnsafeSlow(LIMITS.readBytes);
    return lent;
  }

  giveBack(buffer: Buffer): void {
    if (this.#free.length < keptBuffers) this.#free.push(buffer);
  }
}
