import { ChunkedReader } from './chunked-reader.ts';
import type { ClientStream } from './client-stream.ts';
import { BODY, type BodyKind, type Head } from './head.ts';

/** Results of `pass` that are not an offset. */
export const MORE = -1;
export const BROKEN = -2;

/** The body of a backend's answer: takes its framing off and gives its bytes to the client's stream. */
export class AnswerBody {
  kind: BodyKind = BODY.none;
  #left = 0;
  #chunked: ChunkedReader | undefined;

  begin(head: Head): void {
    this.kind = head.body;
    this.#left = head.length;
    if (head.body === BODY.chunked) {
      this.#chunked ??= new ChunkedReader();
      this.#chunked.begin();
    }
  }

  /** Passes on what of `[at, end)` belongs to the body. Where it ended, `MORE` if it goes on, or `BROKEN`. */
  pass(bytes: Buffer, at: number, end: number, stream: ClientStream): number {
    switch (this.kind) {
      case BODY.length: {
        const to = Math.min(at + this.#left, end);
        this.#left -= to - at;
        stream.addBody(bytes, at, to);
        if (this.#left > 0) return MORE;
        stream.endBody('');
        return to;
      }
      case BODY.chunked:
        return this.#passChunks(this.#chunked as ChunkedReader, bytes, at, end, stream);
      case BODY.untilClose:
        stream.addBody(bytes, at, end);
        return MORE;
      default:
        stream.endBody('');
        return at;
    }
  }

  #passChunks(reader: ChunkedReader, bytes: Buffer, from: number, end: number, stream: ClientStream): number {
    let at = from;
    while (at < end && !reader.done) {
      at = reader.read(bytes, at, end);
      // What was good of it may go; the missing last chunk tells the client that this is not all.
      if (at < 0) return BROKEN;
      if (reader.dataEnd > reader.dataAt) stream.addBody(bytes, reader.dataAt, reader.dataEnd);
    }
    if (!reader.done) return MORE;
    stream.endBody(reader.trailers);
    return at;
  }
}
