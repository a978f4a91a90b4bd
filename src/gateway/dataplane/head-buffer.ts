import { Head } from './head.ts';

/** The bytes of a head that comes in several reads, and how far it has been scanned. */
export class HeadBuffer {
  readonly head = new Head();
  bytes: Buffer;
  length: number;

  /** Begins with `[from, end)`, which are copied. */
  constructor(bytes: Buffer, from: number, end: number) {
    this.length = end - from;
    this.bytes = Buffer.allocUnsafe(Math.max(1_024, 2 * this.length));
    bytes.copy(this.bytes, 0, from, end);
    this.head.begin(0);
  }

  /** Adds `[from, end)`. Offsets of the head stay right: all is kept from its first byte on. */
  add(bytes: Buffer, from: number, end: number): void {
    const length = this.length + end - from;
    if (length > this.bytes.length) {
      const larger = Buffer.allocUnsafe(2 * length);
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    bytes.copy(this.bytes, this.length, from, end);
    this.length = length;
  }
}
