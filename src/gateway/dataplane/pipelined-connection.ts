import type { TryFailure } from '#policy/balance/retry';
import { AnswerBody, BROKEN, MORE } from './answer-body.ts';
import { AnswerHeads } from './answer-heads.ts';
import { AnswerQueue } from './answer-queue.ts';
import type { Backend } from './backend.ts';
import { DISCARDED } from './discarded-stream.ts';
import type { Exchange } from './exchange.ts';
import { BODY, SCAN, type ScanResult } from './head.ts';
import { put } from './head-writer.ts';
import { keptForMs, LIMITS } from './limits.ts';
import { PipelinedTry } from './pipelined-try.ts';
import type { Plane } from './plane.ts';
import { Views } from './views.ts';
import { isExhausted, type Wire, type WireUser } from './wire.ts';

/** Instead of an offset: nothing more can be done now. */
const STOP = -1;

/**
 * A connection to a backend that carries many requests at once; answers come in the order of the requests.
 *
 * P1: the queue holds every request that was or will be sent and whose answer has not ended, in the order in which they are sent; bytes are the first one's. P2: bytes with an empty queue end
 * the connection. P3: a try that was left after it was sent stays in the queue without its exchange, and its answer is read and dropped within limits. P4: when the connection
 * ends, the first is told what happened; those behind it were not answered at all, so they may go elsewhere if that is safe. P5: once `#isRetired`, nothing
 * is added and the connection ends with the last answer somebody waits for.
 */
export class PipelinedConnection implements WireUser {
  readonly backend: Backend;
  readonly #plane: Plane;
  readonly #wire: Wire;
  readonly #openedAt: number;
  readonly #onClosed: () => void;
  isConnected = false;
  /** P1. */
  readonly #queue: AnswerQueue;
  #firstUnsent: PipelinedTry | undefined;
  #idleUntil = Number.POSITIVE_INFINITY;
  #hasAnswered = false;
  #isRetired = false;
  #isClosed = false;

  readonly #heads: AnswerHeads;
  readonly #body = new AnswerBody();
  #keeps = true;
  #keepAliveMs: number = LIMITS.upstreamIdleMs;
  #discarded = 0;
  #isPaused = false;
  #readBuffer: Buffer;

  /** Requests to be sent at the end of this turn of the event loop. */
  #out: Views;
  #outLength = 0;
  #isFlushDue = false;

  constructor(plane: Plane, backend: Backend, { now, onClosed }: { readonly now: number; readonly onClosed: () => void }) {
    this.#plane = plane;
    this.backend = backend;
    this.#openedAt = now;
    this.#heads = new AnswerHeads(plane);
    this.#queue = new AnswerQueue(now);
    this.#onClosed = onClosed;
    this.#out = plane.slabs.takeLarge();
    this.#readBuffer = plane.slabs.takeRead();
    backend.connectionsOpened++;
    this.#wire = plane.wires.connected(backend.address, this, this.#readBuffer);
  }

  /**
   * Not while its first answer is slow: who is behind it would wait for no reason of their own. Not behind a HEAD: a backend that wrongly sends a body would choose
   * with it what the next client gets.
   */
  takesMore(now: number): boolean {
    if (this.#isRetired || this.#wire.isPending || this.#queue.last?.isHead) return false;
    return this.queued === 0 ? this.#idleUntil > now : now - this.#queue.turnAt < LIMITS.pipelineSlowMs;
  }

  /** Requests whose answers have not ended. */
  get queued(): number {
    return this.#queue.size;
  }

  /** How long a request added now may wait for those before it, ms. */
  get waitMs(): number {
    return this.#queue.waitMs;
  }

  carry(exchange: Exchange, now: number): PipelinedTry {
    const added = new PipelinedTry(this, exchange, now);
    const { times } = exchange.service ?? {};
    added.deadlineAt = now + (times === undefined ? LIMITS.answerHeadTimeoutMs : this.isConnected ? times.answerMs : times.connectMs);
    this.#queue.add(added, now);
    this.backend.busy.add(added);
    if (this.#hasAnswered) this.backend.connectionsReused++;
    return added;
  }

  /** Adds the bytes of a request to what is sent at the end of this turn. */
  add(one: PipelinedTry, request: Buffer): void {
    if (this.#outLength + request.length > this.#out.bytes.length) this.#flush();
    this.#outLength = put(this.#out.bytes, this.#outLength, request, 0, request.length);
    this.#firstUnsent ??= one;
    one.isSent = true;
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#plane.atEndOfTurn(this);
  }

  /** Called at the end of the turn. */
  flush(): void {
    this.#isFlushDue = false;
    if (!this.#isClosed) this.#flush();
  }

  onConnected(): void {
    const now = this.#plane.tick();
    this.#queue.turnAt = now;
    this.backend.connects.add(now - this.#openedAt);
    if (this.backend.refuses) {
      this.backend.refuses = false;
      this.#queue.first?.exchange?.service?.refresh();
    }
    // Sending may let others join the queue: until all before them are sent, they wait for their turn as well (P1).
    for (let each = this.#queue.first; each !== undefined && !this.#isClosed; each = each.behind) {
      each.sentAt = now;
      each.deadlineAt = now + (each.exchange?.service?.times.answerMs ?? LIMITS.answerHeadTimeoutMs);
      each.exchange?.tries.send();
    }
    this.isConnected = true;
  }

  onBytes(bytes: Buffer, count: number): void {
    this.#plane.tick();
    const heads = this.#heads;
    let source = bytes;
    let end = count;
    for (let at = 0; at < end; ) {
      const first = this.#queue.first;
      // P2. An answer to a request that is not on its way yet is none.
      if (first === undefined || first === this.#firstUnsent) {
        this.#end('stale');
        return;
      }
      if (!first.isAnswering) {
        const result = heads.read(source, at, end, first);
        if (result === SCAN.incomplete || !this.#beginAnswer(first, result)) return;
        ({ source, sourceEnd: end } = heads);
        at = heads.head.end;
      }
      at = this.#passBody(first, source, at, end);
      if (at === STOP) return;
    }
  }

  /** Requests that the kernel did not take at once are on their way. */
  onWritable(): void {}

  onEnded(): void {
    this.#plane.tick();
    this.#lost(undefined);
  }

  onClosed(error: NodeJS.ErrnoException | undefined): void {
    this.#plane.tick();
    this.#lost(error);
  }

  /** The client of `one` takes bytes again. */
  resumeReading(one: PipelinedTry): void {
    if (!this.#isPaused || one !== this.#queue.first) return;
    this.#isPaused = false;
    if (one.isAnswering && one.deadlineAt !== Number.POSITIVE_INFINITY) one.deadlineAt = this.#plane.now() + this.#idleMs(one);
    this.#wire.resume();
  }

  /** Its exchange waits no longer (P3). */
  leave(one: PipelinedTry): void {
    if (one.exchange === undefined) return;
    one.exchange = undefined;
    this.backend.busy.remove(one);
    this.#plane.leftBackend(this.backend);
    this.#queue.awaited--;
    if (!one.isSent) this.#queue.remove(one);
    else if (one === this.#queue.first) this.resumeReading(one);
    // Nobody waits for anything: to end it tells the backend so.
    if (this.#queue.awaited === 0) this.#close();
  }

  /** The deadline of `one` has passed. */
  expired(one: PipelinedTry): void {
    if (!this.isConnected) this.#end('refused');
    else if (one !== this.#queue.first) one.failTry('timeout');
    // While we do not read it, it cannot be late; the client's own time runs.
    else if (this.#isPaused) one.deadlineAt = this.#plane.now() + this.#idleMs(one);
    else this.#end('timeout');
  }

  /** Ends when the last answer that somebody waits for has come; at once if there is none. */
  retire(): void {
    this.#isRetired = true;
    if (this.#queue.awaited === 0) this.#close();
  }

  sweep(now: number): void {
    if (this.queued === 0) {
      if (this.#idleUntil <= now || now - this.#openedAt > LIMITS.upstreamAgeMs) this.#close();
      return;
    }
    if (now - this.#openedAt > LIMITS.upstreamAgeMs) this.#isRetired = true;
    if (this.isConnected && now - this.#queue.turnAt > LIMITS.pipelineHoldMs) this.#freeHeld();
  }

  /** An answer has taken too long: those behind it that may go elsewhere do. */
  #freeHeld(): void {
    this.#isRetired = true;
    if (this.#queue.first?.exchange === undefined) {
      this.#end('stale');
      return;
    }
    for (let each = this.#queue.first.behind; each !== undefined; each = each.behind) each.exchange?.tries.moveAway();
  }

  /** False if the connection has ended with it. */
  #beginAnswer(first: PipelinedTry, result: ScanResult): boolean {
    const { head, source } = this.#heads;
    if (result === SCAN.bad || head.status === 101) {
      if (result !== SCAN.bad) this.#plane.countRefusal('answer-bad-upgrade');
      // These may be bytes too many of the answer before: on a connection of its own it will be seen whose fault it is.
      this.#end(this.#hasAnswered ? 'stale' : 'malformed');
      return false;
    }
    first.isAnswering = true;
    this.#hasAnswered = true;
    this.#discarded = 0;
    this.#plane.countAnswer(first, { status: head.status, closes: head.closes, isEndless: head.isEventStream });
    this.#body.begin(head);
    this.#keepAliveMs = keptForMs(head.keepAliveSeconds);
    this.#keeps = !head.closes && (!head.isVersion10 || head.keepsAlive) && head.body !== BODY.untilClose;
    const { exchange } = first;
    first.deadlineAt = head.isEventStream ? Number.POSITIVE_INFINITY : this.#plane.now() + this.#idleMs(first);
    const isDropped = exchange === undefined || (head.status >= 502 && head.status <= 504 && exchange.tries.dropsAnswer(first, head.status));
    if (!isDropped) {
      exchange.answerBegan(head);
      exchange.stream.beginAnswer(source, head, exchange.extraLines(this.backend, head));
    }
    return !this.#isClosed;
  }

  /** Where the body ended, or `STOP`: more of it must come first, or the connection has ended. */
  #passBody(first: PipelinedTry, source: Buffer, at: number, end: number): number {
    const stream = first.exchange?.stream ?? DISCARDED;
    const bodyEnd = this.#body.pass(source, at, end, stream);
    if (first.exchange !== undefined) first.exchange.account.bytesOut += (bodyEnd >= 0 ? bodyEnd : end) - at;
    const isPending = stream.flush();
    if (bodyEnd >= 0) {
      // The end of the answer may lie in our buffer until the client takes it.
      if (isPending) this.#renewReadBuffer();
      return this.#finish(first) ? bodyEnd : STOP;
    }
    if (bodyEnd === BROKEN) {
      this.#plane.countRefusal('answer-bad-chunk');
      return this.#end('malformed');
    }
    if (first.exchange === undefined) {
      this.#discarded += end - at;
      return this.#discarded > LIMITS.pipelineDiscardBytes ? this.#end('stale') : STOP;
    }
    if (first.deadlineAt !== Number.POSITIVE_INFINITY) first.deadlineAt = this.#plane.now() + this.#idleMs(first);
    if (isPending && !this.#isPaused) {
      this.#isPaused = true;
      this.#wire.pause();
    }
    return bodyEnd === MORE ? STOP : bodyEnd;
  }

  /** False if the connection has ended with this answer. */
  #finish(first: PipelinedTry): boolean {
    const now = this.#plane.now();
    const { exchange } = first;
    this.#heads.finished();
    this.#queue.shift(now);
    if (this.queued === 0) this.#idleUntil = now + this.#keepAliveMs;
    if (exchange !== undefined) {
      this.#plane.answerEnded(this.backend, exchange);
      first.exchange = undefined;
      this.#queue.awaited--;
      this.backend.busy.remove(first);
      this.#plane.leftBackend(this.backend);
    }
    if (!this.#keeps) this.#end('stale');
    else if (this.#isRetired && this.#queue.awaited === 0) this.#close();
    exchange?.finishAnswer();
    return !this.#isClosed;
  }

  #renewReadBuffer(): void {
    this.#readBuffer = Buffer.allocUnsafeSlow(LIMITS.readBytes);
    this.#wire.changeBuffer(this.#readBuffer);
  }

  #idleMs(one: PipelinedTry): number {
    return one.exchange?.service?.times.idleMs ?? LIMITS.answerIdleMs;
  }

  #flush(): void {
    const length = this.#outLength;
    if (length === 0) return;
    this.#outLength = 0;
    this.#firstUnsent = undefined;
    if (this.#wire.write(this.#out.first(length))) this.#out = new Views(Buffer.allocUnsafeSlow(this.#out.bytes.length));
  }

  #lost(error: NodeJS.ErrnoException | undefined): void {
    if (this.#isClosed) return;
    const first = this.#queue.first;
    if (first?.isAnswering && this.#body.kind === BODY.untilClose && error === undefined) {
      const stream = first.exchange?.stream ?? DISCARDED;
      stream.endBody('');
      stream.flush();
      this.#keeps = false;
      this.#finish(first);
    } else this.#end(!this.isConnected ? (isExhausted(error) ? 'exhausted' : 'refused') : this.#hasAnswered ? 'stale' : 'empty');
  }

  /** P4. `failure` is the first one's, if its answer has not begun; nobody was refused alone. */
  #end(failure: TryFailure): typeof STOP {
    const first = this.#queue.first;
    this.#close();
    for (let each = first; each !== undefined; each = each.behind) {
      const { exchange } = each;
      if (exchange === undefined) continue;
      each.exchange = undefined;
      this.backend.busy.remove(each);
      //
      if (each.isAnswering) {
        if (exchange.service?.backendFailed(this.backend, this.#plane.now())) this.#plane.onReport();
        exchange.cutOff('SD');
      } else exchange.tries.fail(each, each === first || failure === 'refused' || failure === 'exhausted' ? failure : 'stale');
    }
    this.#plane.leftBackend(this.backend);
    return STOP;
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isRetired = true;
    this.#queue.clear();
    this.#wire.destroy();
    this.#onClosed();
    if (!this.#wire.isPending) this.#plane.slabs.give(this.#out);
    if (!this.#isPaused) this.#plane.slabs.giveRead(this.#readBuffer);
  }
}
