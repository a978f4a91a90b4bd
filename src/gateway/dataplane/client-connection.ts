import { AboutClient } from './about-client.ts';
import { newAdmitted } from './admission.ts';
import { AnswerFramer } from './answer-framer.ts';
import type { Client } from './client.ts';
import type { ClientStream } from './client-stream.ts';
import { Exchange } from './exchange.ts';
import { type Head, SCAN } from './head.ts';
import { HeadBuffer } from './head-buffer.ts';
import { LIMITS } from './limits.ts';
import type { Origin } from './origin.ts';
import { type OwnAnswer, ownAnswerText } from './own-answer.ts';
import { HELD, Pauses } from './pauses.ts';
import type { Plane } from './plane.ts';
import { scanRequest } from './scan-request.ts';
import { TakeRate } from './take-rate.ts';
import type { Wire, WireUser } from './wire.ts';

/** head: between or in heads · body: reading a request's body · wait: the request is complete · linger: answered for the last time, perhaps not taken yet. */
const PHASE = { head: 0, body: 1, wait: 2, tunnel: 3, linger: 4, closed: 5 } as const;

/**
 * A client's HTTP/1.1 connection: one exchange at a time, in order (pipelined requests wait as bytes).
 *
 * K1: no request is taken up before the answers to those ahead of it have been taken, so that a client that does not read them makes us keep one. K2: once an answer has
 * said that the connection ends, no other request is taken from it. K3: a connection that ends is closed once its client has
 * taken all of the last answer, or has not for `stallMs`. K4: the rest of an upload that was answered is read and dropped for a while, however much of it comes: closing
 * on bytes that nobody read resets the connection, and the client may never see its answer (RFC 9112, 9.6).
 */
export class ClientConnection implements WireUser, ClientStream, Client {
  next: Client | undefined;
  previous: Client | undefined;
  readonly wire: Wire;
  deadlineAt = 0;

  readonly #plane: Plane;
  readonly #origin: Origin;
  readonly #about: AboutClient;
  readonly #exchange: Exchange;
  readonly #framer: AnswerFramer;
  readonly #pauses: Pauses;
  readonly #rate: TakeRate;
  #phase: number = PHASE.head;
  #keeps = true;
  #isReading = false;
  #isProven = false;
  #waiting: HeadBuffer | undefined;
  #ahead: Buffer | undefined;
  #lingersUntil = 0;

  /** `early`: what came with an earlier step's bytes. */
  constructor(plane: Plane, origin: Origin, openWire: (user: WireUser) => Wire, early: Buffer | null) {
    this.#plane = plane;
    this.#origin = origin;
    this.deadlineAt = plane.tick() + (plane.isDraining ? LIMITS.lingerMs : LIMITS.keepAliveIdleMs);
    plane.clientsAccepted++;
    plane.clients.add(this);
    plane.unproven.add(this);
    this.wire = openWire(this);
    this.#pauses = new Pauses(this.wire);
    this.#framer = new AnswerFramer(plane, this.wire);
    this.#about = new AboutClient(origin, '1.1');
    this.#rate = new TakeRate(origin.stallMs);
    this.#exchange = new Exchange(plane, this, newAdmitted(origin.peer));
    if (early !== null) this.onBytes(early, early.length);
  }

  get protocol(): string {
    return this.#framer.isVersion10 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  get tls(): string {
    return this.#origin.tls?.version ?? '';
  }

  onConnected(): void {}

  onBytes(bytes: Buffer, count: number): void {
    this.#plane.tick();
    switch (this.#phase) {
      case PHASE.head:
        // K1.
        if (this.wire.isPending) this.#keepAhead(bytes, 0, count);
        else {
          this.#readHead(bytes, 0, count);
          this.#readAhead();
        }
        break;
      case PHASE.body:
        this.#takeBody(bytes, 0, count);
        break;
      case PHASE.wait:
        this.#keepAhead(bytes, 0, count);
        break;
      case PHASE.tunnel:
        this.deadlineAt = this.#plane.now() + LIMITS.tunnelIdleMs;
        this.#exchange.tunnelToBackend(bytes, 0, count);
        break;
      case PHASE.linger:
        // K4.
        if (this.wire.hasSentEnd) this.deadlineAt = Math.min(this.#plane.now() + LIMITS.lingerMs, this.#lingersUntil);
        break;
    }
  }

  onWritable(): void {
    const now = this.#plane.tick();
    this.#rate.taken(now);
    if (this.#phase === PHASE.head && this.#waiting === undefined) this.deadlineAt = now + LIMITS.keepAliveIdleMs;
    else if (this.#phase === PHASE.body) this.deadlineAt = now + LIMITS.bodyIdleMs;
    else if (this.#phase === PHASE.wait) this.deadlineAt = Number.POSITIVE_INFINITY;
    else if (this.#phase === PHASE.linger && this.wire.hasSentEnd) this.#lingerOn(now);
    this.#exchange.clientWritable();
    this.#readAhead();
  }

  onEnded(): void {
    this.#plane.tick();
    switch (this.#phase) {
      case PHASE.tunnel:
        this.#exchange.endTunnelToBackend();
        break;
      case PHASE.head:
        // K3.
        if (this.wire.isPending) this.#linger();
        else {
          if (this.#waiting === undefined) this.wire.end();
          this.wire.destroy();
        }
        break;
      case PHASE.linger:
        // K3. Once the end is sent as well, the connection is over.
        if (this.wire.hasSentEnd) this.wire.destroy();
        break;
      default:
        // Who ends its side before the answer does not wait for it: the backend need not work for nobody.
        this.wire.destroy();
    }
  }

  onClosed(): void {
    if (this.#phase === PHASE.closed) return;
    this.#plane.tick();
    this.#exchange.leave();
    this.#phase = PHASE.closed;
    this.#plane.clients.remove(this);
    if (!this.#isProven) this.#plane.unproven.delete(this);
    this.#waiting = undefined;
    this.#ahead = undefined;
  }

  /** The sweep found the deadline passed. */
  expired(): void {
    switch (this.#phase) {
      case PHASE.head:
        // A connection that was opened in advance and never used is closed without a word.
        if (this.#waiting === undefined) this.#linger();
        else this.#exchange.refuse('head-timeout');
        break;
      case PHASE.body:
        // While we do not read it, its body cannot be late.
        if (this.#pauses.isPaused && !this.wire.isPending) this.deadlineAt = this.#plane.now() + LIMITS.bodyIdleMs;
        else if (this.wire.isPending) this.#exchange.cutOff('cD');
        else this.#exchange.fail('body-timeout');
        break;
      case PHASE.wait:
        if (this.wire.isPending) this.#exchange.cutOff('cD');
        else this.deadlineAt = Number.POSITIVE_INFINITY;
        break;
      default:
        this.wire.destroy();
    }
  }

  /** Ends the connection then, if no request has come on it; one that comes ends it with its answer. */
  endWhenIdle(at: number): void {
    if (this.#phase === PHASE.head && this.#waiting === undefined && this.#ahead === undefined) this.deadlineAt = Math.min(this.deadlineAt, at);
  }

  destroy(): void {
    this.wire.destroy();
  }

  #readHead(bytes: Buffer, at: number, count: number): void {
    const waiting = this.#waiting;
    waiting?.add(bytes, at, count);
    const source = waiting?.bytes ?? bytes;
    const end = waiting?.length ?? count;
    const head = waiting?.head ?? this.#plane.requestHead;
    if (waiting === undefined) head.begin(at);
    const result = scanRequest(source, end, head);
    if (result === SCAN.incomplete) {
      if (waiting !== undefined) return;
      this.#waiting = new HeadBuffer(source, head.start, end);
      // Wall-clock from the first byte: drip-feeding does not extend it.
      this.deadlineAt = this.#plane.now() + LIMITS.headTimeoutMs;
      return;
    }
    this.#waiting = undefined;
    if (result === SCAN.bad) {
      this.#exchange.refuse(head.refusal);
      return;
    }
    this.#isReading = true;
    this.#startRequest(source, end, head);
    this.#isReading = false;
  }

  #startRequest(bytes: Buffer, end: number, head: Head): void {
    if (!this.#isProven) {
      this.#isProven = true;
      this.#plane.unproven.delete(this);
    }
    const exchange = this.#exchange;
    this.#framer.isVersion10 = head.isVersion10;
    this.#keeps = !head.closes && !head.isVersion10;
    const refused = exchange.begin(bytes, head, this.#about, this.#origin);
    const { isComplete } = exchange.body;
    const now = this.#plane.now();
    this.#phase = isComplete ? PHASE.wait : PHASE.body;
    this.deadlineAt = isComplete ? Number.POSITIVE_INFINITY : now + LIMITS.bodyIdleMs;
    if (isComplete || refused !== undefined) this.#keepAhead(bytes, head.end, end);
    if (refused !== undefined) exchange.answerSelf(refused);
    else if (isComplete || this.#takeBody(bytes, head.end, end)) exchange.tries.start(now);
  }

  /** False if the body broke the protocol and the request has been answered. */
  #takeBody(bytes: Buffer, from: number, end: number): boolean {
    if (from >= end) return true;
    const exchange = this.#exchange;
    const at = exchange.takeBody(bytes, from, end);
    if (at < 0) return false;
    const { isComplete, taken } = exchange.body;
    this.deadlineAt = Math.min(
      this.#plane.now() + LIMITS.bodyIdleMs,
      exchange.account.startedAt + LIMITS.bodyGraceMs + (taken * 1_000) / LIMITS.bodyMinBytesPerSecond,
    );
    if (isComplete) {
      this.#phase = PHASE.wait;
      this.deadlineAt = Number.POSITIVE_INFINITY;
    }
    if (at < end) {
      this.#keepAhead(bytes, at, end);
      // What does not fit while nobody takes it waits in the client's kernel.
      if (!isComplete) this.#pauses.pause(HELD.ahead);
    }
    return true;
  }

  #keepAhead(bytes: Buffer, from: number, end: number): void {
    if (from >= end) return;
    const part = Buffer.from(bytes.subarray(from, end));
    this.#ahead = this.#ahead === undefined ? part : Buffer.concat([this.#ahead, part]);
    if (this.#ahead.length > LIMITS.aheadBytes) this.#pauses.pause(HELD.ahead);
  }

  #takeAhead(): Buffer | undefined {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    this.#pauses.resume(HELD.ahead);
    return ahead;
  }

  /** Goes on with bytes that came before their turn. */
  #readAhead(): void {
    while (!this.#isReading && this.#phase === PHASE.head && this.#ahead !== undefined && !this.wire.isPending) {
      const ahead = this.#takeAhead() as Buffer;
      this.#readHead(ahead, 0, ahead.length);
    }
  }

  passWaitingBody(): void {
    if (this.#phase !== PHASE.body || this.#ahead === undefined) return;
    const ahead = this.#takeAhead() as Buffer;
    this.#takeBody(ahead, 0, ahead.length);
  }

  pauseBody(): void {
    this.#pauses.pause(HELD.upstream);
  }

  resumeBody(): void {
    this.#pauses.resume(HELD.upstream);
  }

  passInformational(source: Buffer, head: Head): void {
    this.#framer.passInformational(source, head);
  }

  beginAnswer(source: Buffer, head: Head, extraLine: string): void {
    this.#rate.begin();
    // K2.
    if (this.#closes()) this.#keeps = false;
    this.#framer.begin(source, head, extraLine, !this.#keeps);
  }

  addBody(bytes: Buffer, from: number, to: number): void {
    this.#framer.addBody(bytes, from, to);
  }

  endBody(trailers: string): void {
    this.#framer.endBody(trailers);
  }

  flush(): boolean {
    if (!this.#framer.flush()) return false;
    this.deadlineAt = this.#rate.waits(this.#plane.now(), this.#framer.flushedBytes);
    return true;
  }

  answerSelf(answer: OwnAnswer): void {
    if (this.#closes() || answer.closes || this.#exchange.body.isBroken) this.#keeps = false;
    this.wire.writeText(ownAnswerText(answer, { closes: !this.#keeps, isHead: this.#exchange.isHead }));
  }

  finished(): void {
    if (this.#closes()) {
      this.#linger();
      return;
    }
    const now = this.#plane.now();
    this.#phase = PHASE.head;
    this.deadlineAt = now + (this.wire.isPending ? LIMITS.stallMs : LIMITS.keepAliveIdleMs);
    this.#pauses.resume(this.#ahead === undefined ? HELD.ahead | HELD.upstream : HELD.upstream);
    this.#readAhead();
  }

  cutOff(): void {
    if (this.#framer.isVersion10) this.wire.reset();
    else if (this.#phase === PHASE.tunnel || this.wire.isPending) this.wire.destroy();
    // Its framing says that it is not whole. What there is of it, and answers before it, would be lost with a connection that is closed over bytes that were not read.
    else this.#linger();
  }

  beginTunnel(source: Buffer, head: Head, end: number): void {
    this.#framer.beginTunnel(source, head, end);
    this.#framer.flush();
    this.#phase = PHASE.tunnel;
    this.deadlineAt = this.#plane.now() + LIMITS.tunnelIdleMs;
    const ahead = this.#takeAhead();
    if (ahead !== undefined) this.#exchange.tunnelToBackend(ahead, 0, ahead.length);
  }

  tunnelToClient(bytes: Buffer, count: number): boolean {
    this.deadlineAt = this.#plane.now() + LIMITS.tunnelIdleMs;
    this.#framer.addThrough(bytes, 0, count);
    return this.flush();
  }

  closeTunnel(last: Buffer | undefined): void {
    if (last !== undefined) this.wire.write(last);
    this.#linger();
  }

  endTunnelToClient(): void {
    this.wire.end();
  }

  /** The connection ends after the answer under way. */
  #closes(): boolean {
    return !this.#keeps || this.#phase === PHASE.body || this.#plane.isDraining;
  }

  /** Says that nothing more comes, and reads on for a while so that the client gets to read what came. */
  #linger(): void {
    this.#phase = PHASE.linger;
    this.#ahead = undefined;
    this.wire.end();
    // K3.
    if (this.wire.hasSentEnd) this.#lingerOn(this.#plane.now());
    else this.deadlineAt = this.#plane.now() + this.#origin.stallMs;
    this.#pauses.resume(HELD.ahead | HELD.upstream);
  }

  #lingerOn(now: number): void {
    this.deadlineAt = now + LIMITS.lingerMs;
    this.#lingersUntil = now + LIMITS.lingerUploadMs;
  }
}
