import type { ClientStream } from './client-stream.ts';
import { type Head, SCAN, type ScanResult } from './head.ts';
import { HeadBuffer } from './head-buffer.ts';
import { LIMITS } from './limits.ts';
import type { Plane } from './plane.ts';
import { scanAnswer } from './scan-answer.ts';

/** Whose answer is read. */
export interface AnswerReader {
  /** It is to a HEAD. */
  readonly isHead: boolean;
  /** Gets what comes before the final head; `undefined`: nobody does. */
  readonly stream: ClientStream | undefined;
}

/**
 * Reads the heads of one connection's answers, in one read or in several, and passes on the informational ones before them, which are few.
 */
export class AnswerHeads {
  /** The final head, or that of a change of protocol, after `read` gave `complete`; until the next read. */
  head: Head;
  /** Where it was scanned: what it offers as offsets lies here, and what came behind it up to `sourceEnd`. */
  source: Buffer;
  sourceEnd = 0;

  readonly #plane: Plane;
  #waiting: HeadBuffer | undefined;
  #informational = 0;

  constructor(plane: Plane) {
    this.#plane = plane;
    this.head = plane.answerHead;
    this.source = plane.readBuffer;
  }

  /** The answer is over: what comes next is another one's. */
  finished(): void {
    this.#informational = 0;
    // A head that came in pieces is not kept in memory.
    if (this.source !== this.#plane.readBuffer) this.source = this.#plane.readBuffer;
  }

  /** Reads on in `[at, end)`. After `incomplete` all of it was kept or used up; after `bad` the connection cannot be understood any more. */
  read(bytes: Buffer, at: number, end: number, { isHead, stream }: AnswerReader): ScanResult {
    const waiting = this.#waiting;
    waiting?.add(bytes, at, end);
    const source = waiting?.bytes ?? bytes;
    const sourceEnd = waiting?.length ?? end;
    const head = waiting?.head ?? this.#plane.answerHead;
    if (waiting === undefined) head.begin(at);
    for (;;) {
      const result = scanAnswer(source, sourceEnd, head, isHead);
      if (result === SCAN.incomplete) {
        if (waiting === undefined || head.start > 0) this.#waiting = new HeadBuffer(source, head.start, sourceEnd);
        return SCAN.incomplete;
      }
      if (result === SCAN.bad) {
        this.#plane.countRefusal(`answer-${head.refusal}`);
        return SCAN.bad;
      }
      if (head.status >= 200 || head.status === 101) {
        this.#waiting = undefined;
        this.head = head;
        this.source = source;
        this.sourceEnd = sourceEnd;
        return SCAN.complete;
      }
      if (++this.#informational > LIMITS.informationalAnswers) {
        this.#plane.countRefusal('answer-too-many-informational');
        return SCAN.bad;
      }
      stream?.passInformational(source, head);
      head.begin(head.end);
      if (head.start < sourceEnd) continue;
      this.#waiting = undefined;
      return SCAN.incomplete;
    }
  }
}
