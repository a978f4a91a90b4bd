import { BODY, type Head } from './head.ts';
import { type AnswerFraming, put, writeAnswerHead, writeChunkSize } from './head-writer.ts';
import type { Plane } from './plane.ts';
import type { Wire } from './wire.ts';

const CR = 13;
const LF = 10;
const LAST_CHUNK = Buffer.from('0\r\n', 'latin1');

/**
 * Writes answers to an HTTP/1.1 client, framed anew, with as few writes as possible: a head and what came with it go together.
 *
 * What it gathers is in the plane's scratch, which belongs to it from the first byte until `flush`.
 */
export class AnswerFramer {
  /** An HTTP/1.0 client knows no chunks and no 1xx: the end of the connection ends its body. */
  isVersion10 = false;

  readonly #plane: Plane;
  readonly #wire: Wire;
  /** By the last `flush` and what was written through before it. */
  flushedBytes = 0;
  #throughBytes = 0;
  #length = 0;
  #isStreamed = false;
  #chunks = false;

  constructor(plane: Plane, wire: Wire) {
    this.#plane = plane;
    this.#wire = wire;
  }

  passInformational(source: Buffer, head: Head): void {
    if (this.isVersion10) return;
    this.#length = writeAnswerHead(this.#plane.scratch, 0, source, head, 'none', false);
    this.flush();
  }

  /** `closes`: the connection ends after the answer. */
  begin(source: Buffer, head: Head, extraLine: string, closes: boolean): void {
    const out = this.#plane.scratch;
    this.#isStreamed = head.body === BODY.chunked || head.body === BODY.untilClose;
    this.#chunks = this.#isStreamed && !this.isVersion10;
    this.#length = writeAnswerHead(out, 0, source, head, framingOf(head, this.#chunks), closes);
    if (extraLine !== '') this.#length = appendLine(out, this.#length, extraLine);
  }

  /** The head of a change of protocol and what came behind it. */
  beginTunnel(source: Buffer, head: Head, end: number): void {
    const length = writeAnswerHead(this.#plane.scratch, 0, source, head, 'upgrade', false);
    this.#length = length + source.copy(this.#plane.scratch, length, head.end, end);
  }

  addBody(bytes: Buffer, from: number, to: number): void {
    if (to === from) return;
    if (this.#length === 0 && !this.#isStreamed) {
      this.#writeThrough(bytes, from, to);
      return;
    }
    const out = this.#plane.scratch;
    let length = this.#length;
    if (this.#chunks) length = writeChunkSize(out, length, to - from);
    length = put(out, length, bytes, from, to);
    if (this.#chunks) length = putLineEnd(out, length);
    this.#length = length;
  }

  endBody(trailers: string): void {
    if (!this.#chunks) return;
    const out = this.#plane.scratch;
    let length = this.#length;
    length += LAST_CHUNK.copy(out, length);
    if (trailers !== '') length += out.write(trailers, length, 'latin1');
    this.#length = putLineEnd(out, length);
  }

  /** Adds bytes as they are. */
  addThrough(bytes: Buffer, from: number, to: number): void {
    this.#length = put(this.#plane.scratch, this.#length, bytes, from, to);
  }

  /** Writes bytes where they are: nothing may be read over them before the client has them. */
  #writeThrough(bytes: Buffer, from: number, to: number): void {
    this.#throughBytes += to - from;
    this.#wire.write(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
  }

  /** True while something that was written is still referenced. */
  flush(): boolean {
    const length = this.#length;
    this.flushedBytes = length + this.#throughBytes;
    this.#throughBytes = 0;
    if (length > 0) {
      this.#length = 0;
      if (this.#wire.write(this.#plane.scratchTo(length))) this.#plane.renewScratch();
    }
    return this.#wire.isPending;
  }
}

function framingOf(head: Head, chunks: boolean): AnswerFraming {
  if (chunks) return 'chunked';
  if (head.body === BODY.length) return 'length';
  if (head.body !== BODY.none || head.status === 204) return 'none';
  // Of an answer without a body by rule (HEAD, 304) the framing tells what a GET would have had.
  if (head.hasLength) return 'length';
  return head.hasCoding ? 'chunked' : 'none';
}

/** Adds a line, given with its end, to a head that was written; returns the new end. */
function appendLine(out: Buffer, end: number, line: string): number {
  const at = end - 2;
  return at + out.write(`${line}\r\n`, at, 'latin1');
}

function putLineEnd(out: Buffer, at: number): number {
  out[at] = CR;
  out[at + 1] = LF;
  return at + 2;
}
