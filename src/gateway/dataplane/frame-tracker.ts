const shortLengthBits = 0x7f;
const maskBit = 0x80;
const opcodeBits = 0x0f;
const CLOSE_OPCODE = 8;
const maskBytes = 4;
/** Of a header with the longest length and a mask. */
const mostHeaderBytes = 14;

/**
 * Follows the frames of one direction of a WebSocket (RFC 6455, section 5.2) without looking at what they carry: only to know where one ends and the next may begin.
 * What is no frame at all leads it astray, which harms nobody: then the tunnel ends without a frame of ours.
 */
export class FrameTracker {
  /** The side that sends has said that it ends. */
  hasClosed = false;
  readonly #header = new Uint8Array(mostHeaderBytes);
  #headerBytes = 0;
  /** Of the frame under way, its payload. */
  #left = 0;

  /** Between two frames: another one may be put in. */
  get isBetween(): boolean {
    return this.#left === 0 && this.#headerBytes === 0;
  }

  add(bytes: Uint8Array, from: number, end: number): void {
    for (let at = from; at < end; ) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, end - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      this.#header[this.#headerBytes++] = bytes[at++] as number;
      if (this.#headerBytes >= 2 && this.#headerBytes === headerLength(this.#header)) this.#beginFrame();
    }
  }

  #beginFrame(): void {
    const header = this.#header;
    if (((header[0] as number) & opcodeBits) === CLOSE_OPCODE) this.hasClosed = true;
    this.#left = payloadLength(header);
    this.#headerBytes = 0;
  }
}

function lengthBytes(second: number): number {
  const short = second & shortLengthBits;
  return short === 126 ? 2 : short === 127 ? 8 : 0;
}

function headerLength(header: Uint8Array): number {
  const second = header[1] as number;
  return 2 + lengthBytes(second) + ((second & maskBit) === 0 ? 0 : maskBytes);
}

function payloadLength(header: Uint8Array): number {
  const second = header[1] as number;
  const count = lengthBytes(second);
  if (count === 0) return second & shortLengthBits;
  let length = 0;
  for (let i = 0; i < count; i++) length = length * 256 + (header[2 + i] as number);
  return length;
}
