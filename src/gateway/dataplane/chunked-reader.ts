import { HEX, TOKEN, VALUE } from './byte-classes.ts';
import { LIMITS } from './limits.ts';

const CR = 13;
const LF = 10;
const COLON = 58;
const SEMICOLON = 59;
const mostSizeDigits = 12;

const STATE = {
  size: 0,
  extension: 1,
  sizeEnd: 2,
  data: 3,
  dataEnd: 4,
  dataEndLine: 5,
  trailerStart: 6,
  trailerName: 7,
  trailerValue: 8,
  trailerEnd: 9,
  lastEnd: 10,
} as const;

/** Trailers that would change framing, routing or trust, and so are not passed on (RFC 9110, 6.5.1). */
const NOT_A_TRAILER =
  /^(?:transfer-encoding|content-.*|host|connection|keep-alive|te|trailer|upgrade|authorization|proxy-.*|cookie|set-cookie|forwarded|x-forwarded-.*|x-real-ip|x-request-id|age|cache-control|expires|date|location|vary|max-forwards|expect|range)$/i;

/**
 * Takes a chunked body apart as it comes (RFC 9112, 7.1), strictly: only digits and CRLF around the data. Extensions are dropped within a limit, trailers kept
 * within another. `read` gives one piece of data at a time, so that the caller frames the body anew.
 */
export class ChunkedReader {
  #state: number = STATE.size;
  #left = 0;
  #digits = 0;
  #extension = 0;
  #extensions = 0;
  #trailers = '';
  #trailerBytes = 0;
  #line = '';

  /** The data found by the last `read`, within the bytes it was given; equal if there was none. */
  dataAt = 0;
  dataEnd = 0;
  done = false;

  /** Ready for another body. */
  begin(): void {
    this.#state = STATE.size;
    this.#left = 0;
    this.#digits = 0;
    this.#extension = 0;
    this.#extensions = 0;
    this.#trailers = '';
    this.#trailerBytes = 0;
    this.#line = '';
    this.done = false;
  }

  /** Seen of the trailers so far: those to pass on are not longer. */
  get trailerBytes(): number {
    return this.#trailerBytes;
  }

  /** Trailer lines to pass on, each with its CRLF. Complete once `done`. */
  get trailers(): string {
    return this.#trailers;
  }

  /** Reads up to the end of one piece of data, of the bytes, or of the body. The offset where it stopped, or -1 if the body is broken. */
  read(bytes: Buffer, from: number, end: number): number {
    let at = from;
    this.dataAt = from;
    this.dataEnd = from;
    while (at < end) {
      if (this.#state === STATE.data) {
        const take = Math.min(this.#left, end - at);
        this.dataAt = at;
        this.dataEnd = at + take;
        this.#left -= take;
        if (this.#left === 0) this.#state = STATE.dataEnd;
        return at + take;
      }
      if (!this.#step(bytes[at] as number)) return -1;
      at++;
      if (this.done) return at;
    }
    return at;
  }

  #step(byte: number): boolean {
    switch (this.#state) {
      case STATE.size: {
        const digit = HEX[byte] as number;
        if (digit !== 255) {
          if (++this.#digits > mostSizeDigits) return false;
          this.#left = this.#left * 16 + digit;
          return true;
        }
        if (this.#digits === 0) return false;
        if (byte === CR) return this.#go(STATE.sizeEnd);
        this.#extension = 0;
        return byte === SEMICOLON && this.#go(STATE.extension);
      }
      case STATE.extension:
        if (byte === CR) return this.#go(STATE.sizeEnd);
        return VALUE[byte] === 1 && ++this.#extension <= LIMITS.chunkExtensionBytes && ++this.#extensions <= LIMITS.chunkExtensionsBytes;
      case STATE.sizeEnd:
        this.#digits = 0;
        return byte === LF && this.#go(this.#left > 0 ? STATE.data : STATE.trailerStart);
      case STATE.dataEnd:
        return byte === CR && this.#go(STATE.dataEndLine);
      case STATE.dataEndLine:
        return byte === LF && this.#go(STATE.size);
      case STATE.lastEnd:
        this.done = byte === LF;
        return this.done;
      default:
        return this.#stepTrailer(byte);
    }
  }

  #stepTrailer(byte: number): boolean {
    if (++this.#trailerBytes > LIMITS.trailerBytes) return false;
    switch (this.#state) {
      case STATE.trailerStart:
        if (byte === CR) return this.#go(STATE.lastEnd);
        this.#line = String.fromCharCode(byte);
        return TOKEN[byte] !== 0 && this.#go(STATE.trailerName);
      case STATE.trailerName:
        this.#line += String.fromCharCode(byte);
        if (byte === COLON) return this.#go(STATE.trailerValue);
        return TOKEN[byte] !== 0;
      case STATE.trailerValue:
        if (byte === CR) return this.#go(STATE.trailerEnd);
        this.#line += String.fromCharCode(byte);
        return VALUE[byte] === 1;
      default: {
        if (byte !== LF) return false;
        if (isTrailer(this.#line.slice(0, this.#line.indexOf(':')))) this.#trailers += `${this.#line}\r\n`;
        return this.#go(STATE.trailerStart);
      }
    }
  }

  #go(state: number): true {
    this.#state = state;
    return true;
  }
}

/** A field of that name may be passed on behind a body. */
export function isTrailer(name: string): boolean {
  return !NOT_A_TRAILER.test(name.replaceAll('_', '-'));
}
