import type { TryFailure } from '#policy/balance/retry';
import type { Backend } from './backend.ts';
import { ChunkedReader } from './chunked-reader.ts';
import type { ClientConnection } from './client-connection.ts';
import { BODY, type BodyKind, type Head, SCAN } from './head.ts';
import { HeadBuffer } from './head-buffer.ts';
import { type AnswerFraming, put, writeAnswerHead, writeChunkSize } from './head-writer.ts';
import type { Linked } from './intrusive-list.ts';
import { DEFAULT_TIMES, LIMITS, type ServiceTimes } from './limits.ts';
import { PHASE } from './phase.ts';
import type { Plane } from './plane.ts';
import { scanAnswer } from './scan-answer.ts';
import { Wire, type WireUser } from './wire.ts';

const STATE = { connecting: 0, idle: 1, head: 2, body: 3, tunnel: 4, closed: 5 } as const;
const LAST_CHUNK = Buffer.from('0\r\n', 'latin1');

/**
 * A connection to a backend that carries one request at a time.
 *
 * U1: it is in `backend.busy` exactly while it has a client, in `backend.idle` exactly while its state is idle. U2: bytes without a client end it.
 * U3: it is kept only if request and answer are complete and nothing came after them.
 */
export class UpstreamConnection implements WireUser, Linked<UpstreamConnection> {
  next: UpstreamConnection | undefined;
  previous: UpstreamConnection | undefined;
  readonly backend: Backend;
  readonly wire: Wire;
  client: ClientConnection | undefined;
  /** When the present try was handed over. */
  sentAt = 0;
  deadlineAt = 0;
  idleUntil = 0;
  isReused = false;

  readonly #plane: Plane;
  readonly #openedAt: number;
  #state: number = STATE.connecting;
  #body: BodyKind = BODY.none;
  #left = 0;
  #chunked: ChunkedReader | undefined;
  #rechunks = false;
  #keeps = false;
  #keepAliveMs: number = LIMITS.upstreamIdleMs;
  #informational = 0;
  #isEventStream = false;
  #waiting: HeadBuffer | undefined;
  #isPaused = false;
  #times: ServiceTimes = DEFAULT_TIMES;

  constructor(plane: Plane, backend: Backend, now: number) {
    this.#plane = plane;
    this.backend = backend;
    this.#openedAt = now;
    backend.connectionsOpened++;
    this.wire = Wire.connected(backend.address, this, Buffer.allocUnsafeSlow(LIMITS.readBytes));
  }

  get isConnected(): boolean {
    return this.#state !== STATE.connecting;
  }

  get isAnswering(): boolean {
    return this.#state === STATE.body || this.#state === STATE.tunnel;
  }

  /** Takes a request for its next try. */
  carry(client: ClientConnection, now: number): void {
    this.client = client;
    this.#times = client.service?.times ?? DEFAULT_TIMES;
    this.sentAt = now;
    this.backend.busy.add(this);
    this.#informational = 0;
    if (this.#state === STATE.idle) {
      this.isReused = true;
      this.#state = STATE.head;
      this.deadlineAt = now + this.#times.answerMs;
    } else this.deadlineAt = now + this.#times.connectMs;
  }

  onConnected(): void {
    this.#plane.tick();
    const { client } = this;
    if (client === undefined) {
      this.close();
      return;
    }
    const now = this.#plane.now();
    if (!this.backend.reachable) {
      this.backend.reachable = true;
      client.service?.refresh();
    }
    this.#state = STATE.head;
    this.sentAt = now;
    this.deadlineAt = now + this.#times.answerMs;
    client.sendRequest();
  }

  onBytes(bytes: Buffer, count: number): void {
    this.#plane.tick();
    switch (this.#state) {
      case STATE.head:
        this.#readHead(bytes, count);
        break;
      case STATE.body: {
        this.deadlineAt = this.#isEventStream ? Number.POSITIVE_INFINITY : this.#plane.now() + this.#times.idleMs;
        this.#passBody(bytes, 0, count, 0);
        break;
      }
      case STATE.tunnel:
        this.client?.tunnelled(this.#plane.now());
        this.#send(bytes.subarray(0, count));
        break;
      default:
        // U2.
        this.close();
    }
  }

  onWritable(): void {
    this.client?.upstreamWritable();
  }

  onEnded(): void {
    this.#plane.tick();
    if (this.#state === STATE.tunnel) {
      this.client?.wire.end();
      return;
    }
    if (this.#state === STATE.body && this.#body === BODY.untilClose) this.#finishUntilClose();
    else this.#lost(undefined);
  }

  onClosed(error: NodeJS.ErrnoException | undefined): void {
    this.#plane.tick();
    this.#lost(error);
  }

  /** More of the request was handed over: the wait for the answer begins anew. */
  bodyPassed(now: number): void {
    if (this.#state !== STATE.head) return;
    this.sentAt = now;
    this.deadlineAt = now + this.#times.answerMs;
  }

  /** The client takes bytes again. */
  resumeReading(): void {
    if (!this.#isPaused) return;
    if (this.#state === STATE.body && !this.#isEventStream) this.deadlineAt = this.#plane.now() + this.#times.idleMs;
    this.#isPaused = false;
    this.wire.resume();
  }

  /** Ends the connection without telling the client: it is gone or goes on elsewhere. */
  abandon(): void {
    if (this.client !== undefined) {
      this.client = undefined;
      this.backend.busy.remove(this);
      this.#leftBackend();
    }
    this.close();
  }

  close(): void {
    if (this.#state === STATE.idle) this.backend.forgetIdle(this);
    this.#state = STATE.closed;
    this.wire.destroy();
  }

  /** Gives up the present try. */
  failTry(failure: TryFailure): void {
    const { client } = this;
    this.abandon();
    client?.tryFailed(this, failure);
  }

  /** The time for connecting, for the head or between two reads is over. */
  expired(): void {
    if (this.#state === STATE.connecting) this.failTry('refused');
    else if (this.#state === STATE.head) this.failTry('timeout');
    // While we do not read it, it cannot be late; the client's own time runs.
    else if (this.#isPaused) this.deadlineAt = this.#plane.now() + this.#times.idleMs;
    else this.#truncated();
  }

  #readHead(bytes: Buffer, count: number): void {
    const { client } = this;
    if (client === undefined) {
      this.close();
      return;
    }
    const waiting = this.#waiting;
    waiting?.add(bytes, 0, count);
    const source = waiting?.bytes ?? bytes;
    const end = waiting?.length ?? count;
    const head = waiting?.head ?? this.#plane.answerHead;
    if (waiting === undefined) head.begin(0);
    for (;;) {
      const result = scanAnswer(source, end, head, client.isHead);
      if (result === SCAN.incomplete) {
        if (waiting === undefined || head.start > 0) this.#waiting = new HeadBuffer(source, head.start, end);
        return;
      }
      if (result === SCAN.bad) {
        this.#plane.countRefusal(`answer-${head.refusal}`);
        this.failTry('malformed');
        return;
      }
      if (head.status >= 200) break;
      if (head.status === 101) {
        this.#switchProtocols(client, source, end, head);
        return;
      }
      if (++this.#informational > LIMITS.informationalAnswers) {
        this.failTry('malformed');
        return;
      }
      this.#passInformational(client, source, head);
      head.begin(head.end);
      if (head.start >= end) {
        this.#waiting = undefined;
        return;
      }
    }
    this.#waiting = undefined;
    this.#beginAnswer(client, source, end, head);
  }

  #passInformational(client: ClientConnection, source: Buffer, head: Head): void {
    if (client.isVersion10) return;
    const out = this.#plane.scratch;
    const length = writeAnswerHead(out, 0, source, head, 'none', false);
    if (client.wire.write(out.subarray(0, length))) this.#plane.renewScratch();
  }

  #switchProtocols(client: ClientConnection, source: Buffer, end: number, head: Head): void {
    if (!client.isUpgrade || !head.upgradesToWebSocket || !head.nominatesUpgrade) {
      this.#plane.countRefusal('answer-bad-upgrade');
      this.failTry('malformed');
      return;
    }
    this.#waiting = undefined;
    this.#state = STATE.tunnel;
    this.deadlineAt = Number.POSITIVE_INFINITY;
    const out = this.#plane.scratch;
    let length = writeAnswerHead(out, 0, source, head, 'upgrade', false);
    length += source.copy(out, length, head.end, end);
    this.#countAnswer(101);
    client.beginAnswer(101);
    this.#sendScratch(length);
    client.beginTunnel();
  }

  #countAnswer(status: number): void {
    const { client } = this;
    const now = this.#plane.now();
    const changed = this.backend.answered(now, now - this.sentAt, status);
    const service = client?.service;
    if (service === undefined) return;
    if (status >= 502 && status <= 504) {
      if (service.backendFailed(this.backend, now, this.#plane.luck())) this.#plane.onReport();
    } else if (changed) {
      service.refresh();
      this.#plane.onReport();
    }
  }

  #beginAnswer(client: ClientConnection, source: Buffer, end: number, head: Head): void {
    this.#state = STATE.body;
    this.#countAnswer(head.status);
    client.beginAnswer(head.status);
    this.#body = head.body;
    this.#left = head.length;
    this.#isEventStream = head.isEventStream;
    this.#keeps = !head.closes && (!head.isVersion10 || head.keepsAlive) && head.body !== BODY.untilClose && !client.isUpgrade;
    this.#keepAliveMs = keptFor(head.keepAliveSeconds);
    this.deadlineAt = this.#isEventStream ? Number.POSITIVE_INFINITY : this.#plane.now() + this.#times.idleMs;
    const isStreamed = head.body === BODY.chunked || head.body === BODY.untilClose;
    this.#rechunks = isStreamed && !client.isVersion10;
    if (isStreamed && !this.#rechunks) client.closesAfter();
    let length = writeAnswerHead(this.#plane.scratch, 0, source, head, framingOf(head, this.#rechunks), client.closes);
    if (this.backend.stickyLine !== '' && client.who.stickyToken !== this.backend.stickyToken)
      length = appendLine(this.#plane.scratch, length, this.backend.stickyLine);
    if (head.body === BODY.chunked) {
      this.#chunked ??= new ChunkedReader();
      this.#chunked.begin();
    }
    this.#passBody(source, head.end, end, length);
  }

  /** Passes on what of `[at, end)` belongs to the answer. `outAt` bytes of the scratch are a head to go first. */
  #passBody(bytes: Buffer, at: number, end: number, outAt: number): void {
    switch (this.#body) {
      case BODY.length: {
        const take = Math.min(this.#left, end - at);
        this.#left -= take;
        if (outAt > 0) this.#sendScratch(put(this.#plane.scratch, outAt, bytes, at, at + take));
        else this.#send(take === bytes.length ? bytes : bytes.subarray(at, at + take));
        if (this.#left === 0) this.#finish(at + take < end);
        return;
      }
      case BODY.chunked:
        this.#passChunks(bytes, at, end, outAt);
        return;
      case BODY.untilClose: {
        const out = this.#plane.scratch;
        let length = outAt;
        if (at < end) length = this.#putChunk(out, length, bytes, at, end);
        if (length > 0) this.#sendScratch(length);
        return;
      }
      default:
        if (outAt > 0) this.#sendScratch(outAt);
        this.#finish(at < end);
    }
  }

  #passChunks(bytes: Buffer, from: number, end: number, outAt: number): void {
    const reader = this.#chunked as ChunkedReader;
    const out = this.#plane.scratch;
    let length = outAt;
    let at = from;
    while (at < end && !reader.done) {
      at = reader.read(bytes, at, end);
      if (at < 0) {
        this.#plane.countRefusal('answer-bad-chunk');
        // What was good of it may go; the missing last chunk tells the client that this is not all.
        if (length > 0) this.#sendScratch(length);
        this.#truncated();
        return;
      }
      if (reader.dataEnd > reader.dataAt) length = this.#putChunk(out, length, bytes, reader.dataAt, reader.dataEnd);
    }
    if (reader.done && this.#rechunks) length = putLastChunk(out, length, reader.trailers);
    if (length > 0) this.#sendScratch(length);
    if (reader.done) this.#finish(at < end);
  }

  #putChunk(out: Buffer, at: number, bytes: Buffer, from: number, to: number): number {
    if (!this.#rechunks) return at + bytes.copy(out, at, from, to);
    let length = writeChunkSize(out, at, to - from);
    length += bytes.copy(out, length, from, to);
    out[length++] = 13;
    out[length++] = 10;
    return length;
  }

  #sendScratch(length: number): void {
    const { client } = this;
    if (client === undefined) return;
    if (!client.wire.write(this.#plane.scratch.subarray(0, length))) return;
    this.#plane.renewScratch();
    this.#pauseFor(client);
  }

  /** Sends bytes of the read buffer itself: nothing is read over them before the client has them. */
  #send(bytes: Buffer): void {
    const { client } = this;
    if (client?.wire.write(bytes)) this.#pauseFor(client);
  }

  #pauseFor(client: ClientConnection): void {
    client.stalled();
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.wire.pause();
  }

  #finishUntilClose(): void {
    if (this.#rechunks) this.#sendScratch(putLastChunk(this.#plane.scratch, 0, ''));
    this.#finish(true);
  }

  #finish(hasMore: boolean): void {
    const client = this.client as ClientConnection;
    this.client = undefined;
    this.backend.busy.remove(this);
    this.#leftBackend();
    // U3.
    if (this.#keeps && !hasMore && client.phase === PHASE.wait && !this.wire.isPending) this.#keep();
    else this.close();
    client.finishAnswer();
  }

  #keep(): void {
    const now = this.#plane.now();
    if (now - this.#openedAt > LIMITS.upstreamAgeMs || !this.backend.keepIdle(this)) {
      this.close();
      return;
    }
    this.#state = STATE.idle;
    this.idleUntil = now + this.#keepAliveMs;
    if (!this.#isPaused) return;
    // The client has not taken the end of the answer yet, and that may lie in our buffer.
    this.wire.changeBuffer(Buffer.allocUnsafeSlow(LIMITS.readBytes));
    this.#isPaused = false;
    this.wire.resume();
  }

  #leftBackend(): void {
    if (this.backend.busy.size > 0) return;
    // A probe that its client gave up has told nothing: the next may be made.
    this.backend.isProbed = false;
    if (this.backend.draining) this.#plane.onReport();
  }

  #lost(error: NodeJS.ErrnoException | undefined): void {
    const state = this.#state;
    if (state === STATE.closed) return;
    if (state === STATE.idle || this.client === undefined) {
      this.close();
      return;
    }
    if (state === STATE.connecting) {
      this.failTry('refused');
      return;
    }
    if (state === STATE.head) {
      this.failTry(this.isReused ? 'stale' : 'empty');
      return;
    }
    if (state === STATE.body && this.#body === BODY.untilClose && error === undefined) {
      this.#finishUntilClose();
      return;
    }
    this.#truncated();
  }

  /** The answer cannot be completed: the client must see that. */
  #truncated(): void {
    const { client } = this;
    this.abandon();
    client?.cutOff();
  }
}

/** Adds a line with its end to a head that was written; returns the new end. */
function appendLine(out: Buffer, end: number, line: string): number {
  const at = end - 2;
  return at + out.write(`${line}\r\n`, at, 'latin1');
}

function framingOf(head: Head, rechunks: boolean): AnswerFraming {
  if (rechunks) return 'chunked';
  if (head.body === BODY.length) return 'length';
  if (head.body !== BODY.none || head.status === 204) return 'none';
  // Of an answer without a body by rule (HEAD, 304) the framing tells what a GET would have had.
  if (head.hasLength) return 'length';
  return head.hasCoding ? 'chunked' : 'none';
}

function putLastChunk(out: Buffer, at: number, trailers: string): number {
  let length = at + LAST_CHUNK.copy(out, at);
  if (trailers !== '') length += out.write(trailers, length, 'latin1');
  out[length++] = 13;
  out[length++] = 10;
  return length;
}

function keptFor(hintSeconds: number): number {
  if (hintSeconds < 0) return LIMITS.upstreamIdleMs;
  return Math.min(LIMITS.upstreamIdleCapMs, Math.max(0, hintSeconds * 1_000 - LIMITS.upstreamIdleMarginMs));
}
