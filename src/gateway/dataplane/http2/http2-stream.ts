import type { ServerHttp2Stream } from 'node:http2';
import { newAdmitted } from '../admission.ts';
import type { ClientStream } from '../client-stream.ts';
import { soon } from '../clock.ts';
import { Exchange } from '../exchange.ts';
import { type Head, SCAN } from '../head.ts';
import type { Linked } from '../intrusive-list.ts';
import { LIMITS } from '../limits.ts';
import { type OwnAnswer, ownAnswerBody, ownAnswerLines } from '../own-answer.ts';
import { HELD, Pauses } from '../pauses.ts';
import { scanRequest } from '../scan-request.ts';
import { TakeRate } from '../take-rate.ts';
import { answerFields, fieldsByName, keptText, ownFields } from './answer-fields.ts';
import { ERROR_CODE } from './error-codes.ts';
import type { Http2Connection } from './http2-connection.ts';
import { requestHead, requestTrailers } from './request-head.ts';

/**
 * One request of an HTTP/2 connection and its answer.
 *
 * H1: nothing is given to Node's stream once that is closed: its client has left, and `close` tells the exchange. H2: the head of an answer waits for what comes in
 * the same event, so that a short answer needs no frame for its end alone. H3: an answer that is not whole when it begins ends in `wantTrailers`: Node says that a
 * stream ends before it resets it, and only with trailers to come that says nothing to the client. H4: Node says that a request has ended when its client has reset it
 * as well; then its body is not whole, and nobody may be told that it is.
 */
export class Http2Stream implements ClientStream, Linked<Http2Stream> {
  next: Http2Stream | undefined;
  previous: Http2Stream | undefined;
  readonly protocol = 'HTTP/2.0';
  readonly tls: string;
  deadlineAt: number;

  readonly #connection: Http2Connection;
  readonly #stream: ServerHttp2Stream;
  readonly #exchange: Exchange;
  readonly #pauses: Pauses;
  readonly #rate: TakeRate;
  /** The exchange is over and counted. */
  #isOver = false;
  #ahead: Buffer | undefined;
  #hasRequestEnded = false;
  #requestTrailers = '';
  #answer: readonly string[] | undefined;
  #parts: Buffer[] = [];
  #hasAnswerEnded = false;
  #answerTrailers = '';
  #endsInTrailers = false;

  constructor(connection: Http2Connection, stream: ServerHttp2Stream) {
    const { plane, origin } = connection;
    this.#connection = connection;
    this.tls = origin.tls?.version ?? '';
    this.#rate = new TakeRate(origin.stallMs);
    this.#stream = stream;
    this.#pauses = new Pauses(stream);
    this.deadlineAt = plane.now() + LIMITS.bodyIdleMs;
    plane.http2Requests++;
    this.#exchange = new Exchange(plane, this, newAdmitted(origin.peer));
    this.#exchange.body.isUnframed = true;
    stream.on('data', (bytes: Buffer) => this.#onData(bytes));
    stream.on('end', () => this.#onEnded());
    stream.on('trailers', (_fields, _flags, rawFields) => this.#onTrailers(rawFields as unknown as string[]));
    stream.on('drain', () => this.#onWritable());
    stream.on('wantTrailers', () => this.#sendTrailers());
    stream.on('close', () => this.#onClosed());
  }

  /** All of the request has come. */
  get hasRequestEnded(): boolean {
    return this.#hasRequestEnded;
  }

  get isPaused(): boolean {
    return this.#pauses.isPaused;
  }

  /** Of its body, what may have come without being counted as body: what waits to be read, and a window of what is on its way. */
  get uncountedBytes(): number {
    return this.#stream.readableLength + LIMITS.streamWindowBytes;
  }

  begin(fields: readonly string[], endsStream: boolean): void {
    const { plane, origin, about } = this.#connection;
    const text = requestHead(fields, endsStream);
    if (text === undefined) {
      plane.countRefusal('h2-malformed');
      this.#isOver = true;
      this.#stream.close(ERROR_CODE.protocol);
      return;
    }
    const head = plane.requestHead;
    const bytes = Buffer.from(text, 'latin1');
    head.begin(0);
    if (scanRequest(bytes, bytes.length, head) !== SCAN.complete) {
      this.#exchange.refuse(head.refusal);
      return;
    }
    const refused = this.#exchange.begin(bytes, head, about, origin);
    if (refused !== undefined) this.#exchange.answerSelf(refused);
    else {
      this.#waitFor();
      this.#exchange.tries.start(plane.now());
    }
  }

  /** The connection's sweep found the deadline passed. */
  expired(): void {
    const exchange = this.#exchange;
    // What was answered is not taken.
    if (this.#isOver) this.#stream.close(ERROR_CODE.cancel);
    else if (this.#stream.writableNeedDrain) exchange.cutOff('cD');
    else if (exchange.body.isComplete || this.#pauses.isPaused) this.#waitFor();
    else exchange.fail('body-timeout');
  }

  #onData(bytes: Buffer): void {
    this.#connection.plane.tick();
    this.#connection.dataCame(bytes.length);
    if (this.#isOver) return;
    if (this.#ahead === undefined) this.#takeBody(bytes);
    else this.#ahead = Buffer.concat([this.#ahead, bytes]);
  }

  #takeBody(bytes: Buffer): void {
    const { body } = this.#exchange;
    const at = this.#exchange.takeBody(bytes, 0, bytes.length);
    if (at < 0) return;
    this.#waitFor();
    if (at === bytes.length) return;
    if (body.isComplete) {
      // More than its length said.
      this.#exchange.cutOff('PR');
      return;
    }
    this.#ahead = bytes.subarray(at);
    this.#pauses.pause(HELD.ahead);
  }

  #onEnded(): void {
    this.#connection.plane.tick();
    // H4.
    if (this.#isClosed) return;
    this.#hasRequestEnded = true;
    this.#endBody();
  }

  #endBody(): void {
    if (this.#isOver || !this.#hasRequestEnded || this.#ahead !== undefined) return;
    this.#exchange.endBody(this.#requestTrailers);
    if (this.#exchange.body.isComplete) this.#waitFor();
  }

  #onTrailers(fields: readonly string[]): void {
    if (this.#isOver) return;
    const trailers = requestTrailers(fields);
    if (trailers === undefined || trailers.length > LIMITS.trailerBytes) this.#exchange.fail('bad-chunk');
    else this.#requestTrailers = trailers;
  }

  #onWritable(): void {
    const now = this.#connection.plane.tick();
    this.#rate.taken(now);
    if (this.#isOver) return;
    this.#waitFor();
    this.#exchange.clientWritable();
  }

  #onClosed(): void {
    this.#connection.plane.tick();
    if (!this.#isOver) {
      this.#isOver = true;
      this.#exchange.leave();
    }
    this.#connection.left(this);
  }

  /** Sets the deadline for what comes next from the client. */
  #waitFor(): void {
    const { body, account } = this.#exchange;
    const now = this.#connection.plane.now();
    const slowestAt = account.startedAt + LIMITS.bodyGraceMs + (body.taken * 1_000) / LIMITS.bodyMinBytesPerSecond;
    this.deadlineAt = body.isComplete
      ? now + LIMITS.streamIdleMs
      : Math.min(now + LIMITS.bodyIdleMs, this.#pauses.isPaused ? Number.POSITIVE_INFINITY : slowestAt);
  }

  passWaitingBody(): void {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined) {
      this.#pauses.resume(HELD.ahead);
      this.#takeBody(ahead);
    }
    this.#endBody();
  }

  pauseBody(): void {
    this.#pauses.pause(HELD.upstream);
  }

  resumeBody(): void {
    this.#pauses.resume(HELD.upstream);
  }

  passInformational(source: Buffer, head: Head): void {
    if (this.#isClosed) return;
    try {
      this.#stream.additionalHeaders({ ...fieldsByName(keptText(source, head)), ':status': head.status });
    } catch {
      // What cannot be said in HTTP/2 is left out: nothing depends on it.
    }
  }

  beginAnswer(source: Buffer, head: Head, extraLine: string): void {
    this.#answer = answerFields(source, head, extraLine);
  }

  addBody(bytes: Buffer, from: number, to: number): void {
    if (to > from) this.#parts.push(Buffer.from(bytes.subarray(from, to)));
  }

  endBody(trailers: string): void {
    this.#hasAnswerEnded = true;
    this.#answerTrailers = trailers;
  }

  flush(): boolean {
    const parts = this.#parts;
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const stream = this.#stream;
    this.#parts = [];
    if (this.#isClosed) return false;
    const isWhole = this.#hasAnswerEnded && this.#answerTrailers === '';
    if (this.#answer !== undefined && !this.#respond(this.#answer, isWhole && parts.length === 0, !isWhole)) return false;
    // Node has ended what never has a body.
    if (stream.writableEnded) return false;
    if (parts.length > 0) stream.write(parts.length === 1 ? parts[0] : Buffer.concat(parts));
    if (this.#hasAnswerEnded) stream.end();
    if (!stream.writableNeedDrain) return false;
    this.deadlineAt = this.#rate.waits(this.#connection.plane.now(), bytes);
    return true;
  }

  answerSelf(answer: OwnAnswer): void {
    if (this.#isClosed) return;
    const body = ownAnswerBody(answer);
    if (this.#respond(ownFields(answer.status, ownAnswerLines(answer, body)), this.#exchange.isHead, false) && !this.#stream.writableEnded)
      this.#stream.end(body);
  }

  finished(): void {
    this.#isOver = true;
    this.deadlineAt = this.#connection.plane.now() + LIMITS.stallMs;
    this.#ahead = undefined;
    this.#pauses.resume(HELD.ahead | HELD.upstream);
    if (!this.#endsInTrailers) this.#stopClient();
  }

  cutOff(): void {
    this.#isOver = true;
    this.#stream.close(ERROR_CODE.internal);
  }

  // No request of HTTP/2 asks for an upgrade, and an answer that makes one unasked is refused before it comes here.
  beginTunnel(): void {
    this.#exchange.cutOff('SH');
  }

  tunnelToClient(): boolean {
    return false;
  }

  closeTunnel(): void {}

  endTunnelToClient(): void {}

  /** H1. */
  get #isClosed(): boolean {
    return this.#stream.closed || this.#stream.destroyed;
  }

  /** False if the answer cannot be said in HTTP/2. */
  #respond(fields: readonly string[], endStream: boolean, waitForTrailers: boolean): boolean {
    this.#answer = undefined;
    this.#endsInTrailers = waitForTrailers;
    try {
      this.#stream.respond(fields as unknown as Parameters<ServerHttp2Stream['respond']>[0], { endStream, waitForTrailers });
      return true;
    } catch {
      this.#connection.plane.countRefusal('answer-not-http2');
      this.#stream.close(ERROR_CODE.internal);
      return false;
    }
  }

  /** The answer is whole: the client need not send the rest of its body (RFC 9113, 8.1). Node sends what is said of that at once, and the answer at the end of the turn. */
  #stopClient(): void {
    if (this.#hasRequestEnded) return;
    soon(() => {
      if (!this.#hasRequestEnded && !this.#isClosed) this.#stream.close(ERROR_CODE.none);
    });
  }

  #sendTrailers(): void {
    // H3.
    if (!this.#hasAnswerEnded || this.#isClosed) return;
    this.#stream.sendTrailers(fieldsByName(this.#answerTrailers) as Parameters<ServerHttp2Stream['sendTrailers']>[0]);
    this.#stopClient();
  }
}
