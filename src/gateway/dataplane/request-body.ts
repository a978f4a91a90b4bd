import { ChunkedReader } from './chunked-reader.ts';
import { BODY, type BodyKind, type Head } from './head.ts';
import { writeChunkSize } from './head-writer.ts';
import { LIMITS } from './limits.ts';
import type { Plane } from './plane.ts';
import { SLAB_BYTES } from './slabs.ts';
import type { Views } from './views.ts';
import type { Wire } from './wire.ts';

/** Size line and end of a chunk that began in an earlier read. */
const chunkMarginBytes = 64;
const CRLF = '\r\n';

/**
 * A request on its way to a backend: its head as it will be sent and as much of its body as may be needed for another try, in one slab.
 *
 * B1: while `isReplayable`, the slab's first `#length` bytes are all of the request that was taken. B2: a slab that a pending write refers to is
 * never given back.
 */
export class RequestBody {
  readonly #plane: Plane;
  #slab: Views | undefined;
  #length = 0;
  #headLength = 0;
  #kind: BodyKind = BODY.none;
  #left = 0;
  /** Bytes of the body so far. */
  taken = 0;
  #chunked: ChunkedReader | undefined;
  #isReplayable = true;
  #isReferenced = false;
  isComplete = true;
  /** It comes without framing of its own, as streams of HTTP/2 carry it: chunks are only made, not read, and `endUnframed` tells where it ends. */
  isUnframed = false;
  /** The rest of the connection cannot be understood. */
  isBroken = false;
  #mostBytes: number = LIMITS.bodyBytes;

  constructor(plane: Plane) {
    this.#plane = plane;
  }

  /** Only of a body whose length was not told: one that was told is refused before. */
  get isTooLarge(): boolean {
    return this.taken > this.#mostBytes;
  }

  /** What is kept of the request; of one that is still coming, what may be. */
  get heldBytes(): number {
    return this.isComplete ? (this.#slab?.bytes.length ?? 0) : SLAB_BYTES.large;
  }

  get isReplayable(): boolean {
    return this.#isReplayable && this.#slab !== undefined;
  }

  /** `slab` holds the head as it will be sent, `length` bytes. */
  begin(slab: Views, length: number, head: Head, mostBytes: number): void {
    this.#mostBytes = mostBytes;
    this.#slab = slab;
    this.#length = length;
    this.#headLength = length;
    this.#kind = head.body;
    this.#left = head.length;
    this.taken = 0;
    this.#isReplayable = true;
    this.#isReferenced = false;
    this.isBroken = false;
    this.isComplete = head.body === BODY.none;
    if (head.body === BODY.chunked) {
      this.#chunked ??= new ChunkedReader();
      this.#chunked.begin();
    }
  }

  /**
   * Takes what of `[from, end)` belongs to the body and can be kept or sent, to `wire` if the head has been sent there. Returns where it stopped: the end of
   * the body, or where it must wait for a connection; -1 if the body is broken.
   */
  take(bytes: Buffer, from: number, end: number, wire: Wire | undefined): number {
    const most = this.#kind === BODY.length ? Math.min(this.#left, end - from) : end - from;
    // Trailers that came in earlier reads are written with the end.
    const room = most + chunkMarginBytes + (this.#kind === BODY.chunked ? (this.#chunked?.trailerBytes ?? 0) : 0);
    const left = LIMITS.replayBytes - (this.#length - this.#headLength) - room;
    if (left < 0 && -left < most && this.#kind === BODY.chunked && this.isReplayable && !this.isUnframed) {
      // Where it ends in what was read with it is not known yet: as much is taken as can be kept, and then it is seen what is left.
      const limit = end + left;
      const at = this.take(bytes, from, limit, wire);
      return at === limit && !this.isComplete ? this.take(bytes, at, end, wire) : at;
    }
    if (this.isReplayable && left >= 0 && this.#makeRoom(room)) {
      const out = (this.#slab as Views).bytes;
      const before = this.#length;
      const at = this.#put(bytes, from, end, out, before);
      const added = this.#length > before;
      if (wire !== undefined && added && wire.write(out.subarray(before, this.#length))) this.#isReferenced = true;
      return at;
    }
    if (wire === undefined) return from;
    this.#isReplayable = false;
    const out = this.#plane.scratch;
    const kept = this.#length;
    const at = this.#put(bytes, from, end, out, 0);
    const length = this.#length;
    this.#length = kept;
    if (length > 0 && wire.write(this.#plane.scratchTo(length))) this.#plane.renewScratch();
    return at;
  }

  /** All that was taken so far, as it is sent; until the answer begins. */
  get bytes(): Buffer {
    return (this.#slab as Views).first(this.#length);
  }

  /** What came was all of an unframed body. False: it must wait for a connection. */
  endUnframed(trailers: string, wire: Wire | undefined): boolean {
    if (this.#kind !== BODY.chunked) {
      this.isBroken = true;
      return true;
    }
    const bytes = trailers.length + chunkMarginBytes;
    const isKept = this.isReplayable && this.#makeRoom(bytes);
    if (!isKept && wire === undefined) return false;
    const out = isKept ? (this.#slab as Views).bytes : this.#plane.scratch;
    const before = isKept ? this.#length : 0;
    const end = before + out.write(`0${CRLF}${trailers}${CRLF}`, before, 'latin1');
    const isPending = wire?.write(out.subarray(before, end)) ?? false;
    if (isKept) {
      this.#length = end;
      if (isPending) this.#isReferenced = true;
    } else {
      this.#isReplayable = false;
      if (isPending) this.#plane.renewScratch();
    }
    this.isComplete = true;
    return true;
  }

  /** Sends all that was taken so far; true while the kernel has not taken it. */
  sendAll(wire: Wire): boolean {
    const pending = wire.write(this.bytes);
    if (pending) this.#isReferenced = true;
    return pending;
  }

  /** There will be no other try. */
  answerBegan(): void {
    this.#isReplayable = false;
    this.#giveSlab();
  }

  end(): void {
    this.#giveSlab();
  }

  #giveSlab(): void {
    const slab = this.#slab;
    if (slab === undefined) return;
    this.#slab = undefined;
    // B2.
    if (!this.#isReferenced) this.#plane.slabs.give(slab);
  }

  #makeRoom(bytes: number): boolean {
    const slab = this.#slab as Views;
    if (this.#length + bytes <= slab.bytes.length) return true;
    if (this.#length + bytes > SLAB_BYTES.large) return false;
    const large = this.#plane.slabs.takeLarge();
    slab.bytes.copy(large.bytes, 0, 0, this.#length);
    if (!this.#isReferenced) this.#plane.slabs.give(slab);
    this.#isReferenced = false;
    this.#slab = large;
    return true;
  }

  /** Frames the bytes anew into `out`; leaves the new end in `#length`. */
  #put(bytes: Buffer, from: number, end: number, out: Buffer, outAt: number): number {
    if (this.#kind === BODY.length) {
      const take = Math.min(this.#left, end - from);
      bytes.copy(out, outAt, from, from + take);
      this.#left -= take;
      this.taken += take;
      this.#length = outAt + take;
      this.isComplete = this.#left === 0;
      return from + take;
    }
    return this.isUnframed ? this.#putUnframed(bytes, from, end, out, outAt) : this.#putChunks(this.#chunked as ChunkedReader, bytes, from, end, out, outAt);
  }

  #putUnframed(bytes: Buffer, from: number, end: number, out: Buffer, outAt: number): number {
    this.taken += end - from;
    if (this.isTooLarge) {
      this.isBroken = true;
      return -1;
    }
    if (end > from) this.#length = putChunk(out, outAt, bytes, from, end);
    else this.#length = outAt;
    return end;
  }

  #putChunks(reader: ChunkedReader, bytes: Buffer, from: number, end: number, out: Buffer, outAt: number): number {
    let length = outAt;
    let at = from;
    while (at < end && !reader.done) {
      at = reader.read(bytes, at, end);
      const size = reader.dataEnd - reader.dataAt;
      this.taken += size;
      if (at < 0 || this.isTooLarge) {
        this.isBroken = true;
        return -1;
      }
      if (size > 0) length = putChunk(out, length, bytes, reader.dataAt, reader.dataEnd);
    }
    if (reader.done) length += out.write(`0${CRLF}${reader.trailers}${CRLF}`, length, 'latin1');
    this.#length = length;
    this.isComplete = reader.done;
    return at;
  }
}

function putChunk(out: Buffer, at: number, bytes: Buffer, from: number, end: number): number {
  let length = writeChunkSize(out, at, end - from);
  length += bytes.copy(out, length, from, end);
  return length + out.write(CRLF, length, 'latin1');
}
