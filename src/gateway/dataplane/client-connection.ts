import type { Socket } from 'node:net';
import { decideRetry, type TryFailure } from '#policy/balance/retry';
import type { Backend } from './backend.ts';
import { Head, REFUSAL_STATUS, type Refusal, SCAN } from './head.ts';
import { HEAD_MARGIN_BYTES, writeRequestHead } from './head-writer.ts';
import type { Linked } from './intrusive-list.ts';
import { LIMITS } from './limits.ts';
import { type OwnAnswer, ownAnswerText } from './own-answer.ts';
import type { Plane } from './plane.ts';
import { RequestBody } from './request-body.ts';
import { scanRequest } from './scan-request.ts';
import type { Service } from './service.ts';
import { SLAB_BYTES } from './slabs.ts';
import { UpstreamConnection } from './upstream-connection.ts';
import { Wire, type WireUser } from './wire.ts';

/** head: between or in heads · body: reading a request's body · wait: the request is complete · linger: answered for the last time · closed */
export const PHASE = { head: 0, body: 1, wait: 2, tunnel: 3, linger: 4, closed: 5 } as const;

const HELD = { ahead: 1, upstream: 2 } as const;

/**
 * A client's connection and its request under way: one at a time, in order (pipelined ones wait as bytes).
 *
 * C1: `upstream` is set exactly while a try is under way. C2: until the answer begins, all that was sent of the request is in the body's slab, or it is not
 * replayable. C3: every path out of a request goes through `finishAnswer`, `answerSelf` or `#leave`, which count it once.
 */
export class ClientConnection implements WireUser, Linked<ClientConnection> {
  next: ClientConnection | undefined;
  previous: ClientConnection | undefined;
  readonly wire: Wire;
  phase: number = PHASE.head;
  deadlineAt: number;
  heldUntil = 0;
  service: Service | undefined;
  isHead = false;
  isUpgrade = false;
  isVersion10 = false;

  readonly #plane: Plane;
  readonly #internalPort: number | undefined;
  readonly #about: Buffer;
  readonly #peer: string;
  readonly #body: RequestBody;
  #upstream: UpstreamConnection | undefined;
  #keeps = true;
  #isIdempotent = false;
  #status = 0;
  #startedAt = 0;
  #requestLine = '';
  #tries = 0;
  #tried: Backend[] | undefined;
  #wasSent = false;
  #sentTries = 0;
  #isHeld = false;
  #isReading = false;
  #partial: Buffer | undefined;
  #partialLength = 0;
  #partialHead: Head | undefined;
  #ahead: Buffer | undefined;
  #pausedFor = 0;
  #lingered = 0;

  constructor(plane: Plane, socket: Socket, internalPort: number | undefined) {
    this.#plane = plane;
    this.#internalPort = internalPort;
    this.#body = new RequestBody(plane);
    this.deadlineAt = plane.tick() + LIMITS.keepAliveIdleMs;
    plane.clientsAccepted++;
    plane.clients.add(this);
    this.wire = Wire.accepted(socket, this, plane.readBuffer);
    this.#peer = plainAddress(this.wire.remoteAddress);
    const forwardedPort = this.wire.localPort;
    this.#about = Buffer.from(
      `X-Forwarded-For: ${this.#peer}\r\nX-Real-IP: ${this.#peer}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: ${forwardedPort}\r\nVia: 1.1 haven\r\nX-Request-Id: `,
      'latin1',
    );
  }

  /** The connection ends after the answer under way. */
  get closes(): boolean {
    return !this.#keeps || this.phase === PHASE.body || this.#plane.isDraining;
  }

  closesAfter(): void {
    this.#keeps = false;
  }

  onConnected(): void {}

  onBytes(bytes: Buffer, count: number): void {
    this.#plane.tick();
    switch (this.phase) {
      case PHASE.head:
        this.#readHead(bytes, 0, count);
        this.#readAhead();
        break;
      case PHASE.body:
        this.#takeBody(bytes, 0, count);
        break;
      case PHASE.wait:
        this.#keepAhead(bytes, 0, count);
        break;
      case PHASE.tunnel:
        this.tunnelled(this.#plane.now());
        this.#tunnel(bytes, 0, count);
        break;
      case PHASE.linger:
        this.#lingered += count;
        if (this.#lingered > LIMITS.lingerBytes) this.wire.destroy();
        break;
    }
  }

  onWritable(): void {
    this.#plane.tick();
    if (this.phase === PHASE.body || this.phase === PHASE.wait)
      this.deadlineAt = this.phase === PHASE.body ? this.#plane.now() + LIMITS.bodyIdleMs : Number.POSITIVE_INFINITY;
    this.#upstream?.resumeReading();
  }

  onEnded(): void {
    switch (this.phase) {
      case PHASE.tunnel:
        this.#upstream?.wire.end();
        break;
      case PHASE.head:
        if (this.#partial === undefined) this.wire.end();
        this.wire.destroy();
        break;
      default:
        // Who ends its side before the answer does not wait for it: the backend need not work for nobody.
        this.wire.destroy();
    }
  }

  onClosed(): void {
    if (this.phase === PHASE.closed) return;
    this.#plane.tick();
    this.#leave();
    this.phase = PHASE.closed;
    this.#plane.clients.remove(this);
    this.#partial = undefined;
    this.#ahead = undefined;
  }

  /** The sweep found the deadline passed. */
  expired(): void {
    switch (this.phase) {
      case PHASE.head:
        // A connection that was opened in advance and never used is closed without a word.
        if (this.#partial === undefined) this.wire.destroy();
        else this.#refuseWith(408, 'head-timeout');
        break;
      case PHASE.body:
        if (this.wire.isPending) this.cutOff();
        else if (this.#status === 0) this.#abandonUpstream(() => this.#refuseWith(408, 'body-timeout'));
        else this.cutOff();
        break;
      case PHASE.wait:
        if (this.wire.isPending) this.cutOff();
        else this.deadlineAt = Number.POSITIVE_INFINITY;
        break;
      default:
        this.wire.destroy();
    }
  }

  /** No request is under way, so that the connection may be closed without loss. */
  get isIdle(): boolean {
    return this.phase === PHASE.head && this.#partial === undefined;
  }

  // ── requests ──

  #readHead(bytes: Buffer, at: number, count: number): void {
    let source = bytes;
    let end = count;
    let head = this.#plane.requestHead;
    if (this.#partial === undefined || this.#partialHead === undefined) head.begin(at);
    else {
      head = this.#partialHead;
      source = this.#extendPartial(bytes, at, count);
      end = this.#partialLength;
    }
    const result = scanRequest(source, end, head);
    if (result === SCAN.incomplete) {
      this.#keepPartial(source, head, end);
      return;
    }
    this.#partial = undefined;
    this.#partialHead = undefined;
    if (result === SCAN.bad) {
      this.isHead = false;
      this.service = undefined;
      this.#refuse(head.refusal);
      return;
    }
    this.#isReading = true;
    this.#startRequest(source, end, head);
    this.#isReading = false;
  }

  #extendPartial(bytes: Buffer, at: number, count: number): Buffer {
    const known = this.#partialLength;
    const length = known + count - at;
    let partial = this.#partial as Buffer;
    if (length > partial.length) {
      const larger = Buffer.allocUnsafe(2 * length);
      partial.copy(larger, 0, 0, known);
      partial = larger;
    }
    bytes.copy(partial, known, at, count);
    this.#partial = partial;
    this.#partialLength = length;
    return partial;
  }

  #keepPartial(source: Buffer, head: Head, end: number): void {
    if (source === this.#partial) return;
    const length = end - head.start;
    const partial = Buffer.allocUnsafe(Math.max(1024, 2 * length));
    source.copy(partial, 0, head.start, end);
    this.#partial = partial;
    this.#partialLength = length;
    this.#partialHead = new Head();
    this.#partialHead.begin(0);
    // Wall-clock from the first byte: drip-feeding does not extend it.
    this.deadlineAt = this.#plane.now() + LIMITS.headTimeoutMs;
  }

  #startRequest(bytes: Buffer, end: number, head: Head): void {
    const plane = this.#plane;
    const now = plane.now();
    plane.requests++;
    this.#startedAt = now;
    this.#status = 0;
    this.#tries = 0;
    this.#tried = undefined;
    this.#wasSent = false;
    this.isHead = head.isHead;
    this.isUpgrade = head.upgradesToWebSocket;
    this.isVersion10 = head.isVersion10;
    this.#isIdempotent = head.isIdempotent;
    this.#keeps = !head.closes && !head.isVersion10;
    if (plane.accessLog !== undefined) this.#requestLine = bytes.toString('latin1', head.start, head.fieldsAt - 2);
    const service =
      this.#internalPort === undefined
        ? plane.table.find(bytes, head.hostAt, head.hostEnd, head.targetAt, head.targetEnd)
        : plane.internal.get(this.#internalPort);
    this.service = service;
    const slab = head.end - head.start + HEAD_MARGIN_BYTES > SLAB_BYTES.small ? plane.slabs.takeLarge() : plane.slabs.takeSmall();
    const headLength = service === undefined ? 0 : writeRequestHead(slab, 0, bytes, head, this.#about, plane.nextId());
    this.#body.begin(slab, headLength, head);
    this.phase = this.#body.isComplete ? PHASE.wait : PHASE.body;
    this.deadlineAt = this.#body.isComplete ? Number.POSITIVE_INFINITY : now + LIMITS.bodyIdleMs;
    if (service === undefined) {
      this.#keepAhead(bytes, head.end, end);
      if (plane.table.isAmbiguous) {
        this.#refuse('bad-path');
        return;
      }
      this.answerSelf({ status: 404, error: 'destination_not_found', details: 'no route matches this host and path' });
      return;
    }
    service.inFlight++;
    service.budget.countRequest(now);
    if (this.#body.isComplete) {
      if (head.end < end) this.#keepAhead(bytes, head.end, end);
    } else if (!this.#takeBody(bytes, head.end, end)) return;
    if (this.phase === PHASE.body || this.phase === PHASE.wait) this.#dispatch(now);
  }

  /** False if the body broke the protocol and the request has been answered. */
  #takeBody(bytes: Buffer, from: number, end: number): boolean {
    if (from >= end) return true;
    const upstream = this.#upstream;
    const ready = upstream !== undefined && this.#wasSent && upstream.client === this ? upstream.wire : undefined;
    const at = this.#body.take(bytes, from, end, ready);
    if (at < 0) {
      this.#abandonUpstream(() => this.#refuse('bad-chunk'));
      return false;
    }
    this.deadlineAt = this.#plane.now() + LIMITS.bodyIdleMs;
    if (ready?.isPending) this.#pause(HELD.upstream);
    if (this.#body.isComplete) {
      this.phase = PHASE.wait;
      this.deadlineAt = Number.POSITIVE_INFINITY;
    }
    if (at < end) {
      this.#keepAhead(bytes, at, end);
      // What does not fit while nobody takes it waits in the client's kernel.
      if (this.phase === PHASE.body) this.#pause(HELD.ahead);
    }
    return true;
  }

  #keepAhead(bytes: Buffer, from: number, end: number): void {
    if (from >= end) return;
    const part = Buffer.from(bytes.subarray(from, end));
    this.#ahead = this.#ahead === undefined ? part : Buffer.concat([this.#ahead, part]);
    if (this.#ahead.length > LIMITS.aheadBytes) this.#pause(HELD.ahead);
  }

  /** Goes on with bytes that came before their turn. */
  #readAhead(): void {
    while (!this.#isReading && this.phase === PHASE.head && this.#ahead !== undefined) {
      const ahead = this.#ahead;
      this.#ahead = undefined;
      this.#resume(HELD.ahead);
      this.#readHead(ahead, 0, ahead.length);
    }
  }

  #dispatch(now: number): void {
    const service = this.service as Service;
    const backend = service.pickFor(this.#tried, now);
    if (backend === undefined) {
      this.#hold(service, now);
      return;
    }
    this.#tries++;
    this.#wasSent = false;
    const upstream = backend.takeIdle(now) ?? new UpstreamConnection(this.#plane, backend, now);
    this.#upstream = upstream;
    upstream.carry(this, now);
    if (upstream.isConnected) this.sendRequest();
  }

  #hold(service: Service, now: number): void {
    if (this.heldUntil === 0) this.heldUntil = now + LIMITS.holdMs;
    if (now >= this.heldUntil) {
      this.holdExpired();
      return;
    }
    this.#isHeld = service.hold(this);
    if (!this.#isHeld) {
      this.answerSelf({ status: 503, error: 'destination_unavailable', details: 'no backend is usable and too many requests wait', retryAfterSeconds: 5 });
    }
  }

  /** Somebody may be usable again. */
  dispatchHeld(): void {
    this.#isHeld = false;
    this.#tried = undefined;
    // What was sent counts: a request that ends every backend it reaches must not go round for ever.
    this.#tries = this.#sentTries;
    this.#dispatch(this.#plane.now());
  }

  holdExpired(): void {
    this.#isHeld = false;
    this.answerSelf({ status: 503, error: 'destination_unavailable', details: 'no backend became usable in time', retryAfterSeconds: 5 });
  }

  /** The try's connection is ready. */
  sendRequest(): void {
    const upstream = this.#upstream as UpstreamConnection;
    this.#wasSent = true;
    this.#sentTries++;
    if (this.#body.sendAll(upstream.wire)) this.#pause(HELD.upstream);
    if (this.service !== undefined && this.service.heldCount > 0) this.service.releaseHeld();
    if (this.phase === PHASE.body && this.#ahead !== undefined) {
      const ahead = this.#ahead;
      this.#ahead = undefined;
      this.#resume(HELD.ahead);
      this.#takeBody(ahead, 0, ahead.length);
    }
  }

  upstreamWritable(): void {
    this.#resume(HELD.upstream);
  }

  /** A try of it that hangs may be repeated elsewhere. */
  get mayMove(): boolean {
    return this.#isIdempotent && this.#status === 0 && this.#body.isReplayable;
  }

  /** A try ended before its answer began. */
  tryFailed(upstream: UpstreamConnection, failure: TryFailure): void {
    const service = this.service as Service;
    const plane = this.#plane;
    const now = plane.now();
    this.#upstream = undefined;
    this.#resume(HELD.upstream);
    this.#tried ??= [];
    this.#tried.push(upstream.backend);
    if (failure === 'refused' && upstream.backend.reachable) {
      upstream.backend.reachable = false;
      service.refresh();
    }
    // A kept connection that went stale says nothing about its backend.
    if (failure !== 'stale' && service.backendFailed(upstream.backend, now, plane.luck())) plane.onReport();
    const facts = {
      failure,
      answerStarted: this.#status !== 0,
      requestSent: this.#wasSent,
      idempotent: this.#isIdempotent,
      replayable: this.#body.isReplayable,
      tries: this.#tries,
    };
    let decision = decideRetry({ ...facts, budgetLeft: true });
    if (decision.retry && !service.budget.take(now)) {
      service.budgetExhausted++;
      decision = { retry: false, because: 'budget' };
    }
    if (decision.retry) {
      service.countRetry(failure);
      this.#dispatch(now);
      return;
    }
    // Nothing can happen twice: rather wait for one who answers than fail.
    if (failure === 'refused' && (this.#sentTries === 0 || this.#isIdempotent) && this.#body.isReplayable) {
      this.#hold(service, now);
      return;
    }
    this.answerSelf(answerTo(failure, this.#wasSent, this.#isIdempotent));
  }

  // ── answers ──

  beginAnswer(status: number): void {
    this.#status = status;
    this.#body.answerBegan();
  }

  /** The client does not take its answer as fast as it comes. */
  stalled(): void {
    this.deadlineAt = this.#plane.now() + LIMITS.stallMs;
  }

  /** The answer has been handed over completely. */
  finishAnswer(): void {
    this.#upstream = undefined;
    this.#count(this.#status);
    this.#next();
  }

  /** The answer cannot be completed: the client must not take it for whole. */
  cutOff(): void {
    this.#upstream?.abandon();
    this.#upstream = undefined;
    this.#count(this.#status === 0 ? 502 : this.#status);
    if (this.isVersion10) this.wire.reset();
    else this.wire.destroy();
  }

  /** Answers without a backend, and closes the connection if the request was not read to its end. */
  answerSelf(answer: OwnAnswer): void {
    const closes = this.closes || this.#body.isBroken;
    if (closes) this.#keeps = false;
    this.#status = answer.status;
    this.wire.writeText(ownAnswerText(answer, { closes, isHead: this.isHead }));
    this.#count(answer.status);
    this.#next();
  }

  #refuse(refusal: Refusal): void {
    this.#refuseWith(REFUSAL_STATUS[refusal] ?? 400, refusal);
  }

  #refuseWith(status: number, reason: string): void {
    this.#plane.countRefusal(reason);
    this.#keeps = false;
    this.answerSelf({ status, error: 'http_request_error', details: reason });
  }

  #next(): void {
    this.#body.end();
    this.heldUntil = 0;
    this.#sentTries = 0;
    if (!this.#keeps || this.phase === PHASE.body || this.#plane.isDraining) {
      this.phase = PHASE.linger;
      this.#lingered = 0;
      this.#ahead = undefined;
      this.deadlineAt = this.#plane.now() + LIMITS.lingerMs;
      this.#pausedFor = 0;
      this.wire.end();
      this.wire.resume();
      return;
    }
    this.phase = PHASE.head;
    this.deadlineAt = this.wire.isPending ? this.#plane.now() + LIMITS.stallMs : this.#plane.now() + LIMITS.keepAliveIdleMs;
    if (this.#ahead !== undefined) this.#readAhead();
    else if (this.#pausedFor !== 0) this.#resume(this.#pausedFor);
  }

  #count(status: number): void {
    const { service } = this;
    if (service === undefined) return;
    this.service = undefined;
    service.inFlight--;
    const durationMs = this.#plane.now() - this.#startedAt;
    service.countAnswer(status, durationMs);
    this.#plane.accessLog?.add({ client: this.#peer, request: this.#requestLine, status, durationMs, service: service.key, tries: this.#tries });
  }

  // ── tunnels ──

  beginTunnel(): void {
    this.phase = PHASE.tunnel;
    this.tunnelled(this.#plane.now());
    const ahead = this.#ahead;
    this.#ahead = undefined;
    this.#resume(HELD.ahead);
    if (ahead !== undefined) this.#tunnel(ahead, 0, ahead.length);
  }

  /** Bytes went through the tunnel. */
  tunnelled(now: number): void {
    this.deadlineAt = now + LIMITS.tunnelIdleMs;
  }

  #tunnel(bytes: Buffer, from: number, end: number): void {
    const wire = this.#upstream?.wire;
    if (wire === undefined) return;
    const { scratch } = this.#plane;
    bytes.copy(scratch, 0, from, end);
    if (!wire.write(scratch.subarray(0, end - from))) return;
    this.#plane.renewScratch();
    this.#pause(HELD.upstream);
  }

  // ── ends ──

  #abandonUpstream(then: () => void): void {
    this.#upstream?.abandon();
    this.#upstream = undefined;
    if (this.#status === 0) then();
    else this.cutOff();
  }

  /** The client is gone: nobody works for it any more. */
  #leave(): void {
    if (this.#isHeld) this.service?.leaveHeld(this);
    this.#isHeld = false;
    this.#upstream?.abandon();
    this.#upstream = undefined;
    this.#body.end();
    if (this.service === undefined) return;
    if (this.phase !== PHASE.tunnel) this.service.clientAborts++;
    this.#count(this.phase === PHASE.tunnel ? 101 : 499);
  }

  #pause(reason: number): void {
    if (this.#pausedFor === 0) this.wire.pause();
    this.#pausedFor |= reason;
  }

  #resume(reason: number): void {
    if (this.#pausedFor === 0) return;
    this.#pausedFor &= ~reason;
    if (this.#pausedFor === 0) this.wire.resume();
  }
}

function answerTo(failure: TryFailure, wasSent: boolean, isIdempotent: boolean): OwnAnswer {
  switch (failure) {
    case 'timeout':
      return { status: 504, error: 'http_response_timeout', details: 'the backend did not answer in time' };
    case 'malformed':
      return { status: 502, error: 'http_protocol_error', details: 'the backend broke the protocol' };
    case 'refused':
      return { status: 502, error: 'connection_refused', details: 'no backend accepted a connection; the request was not sent' };
    default:
      return {
        status: 502,
        error: 'connection_terminated',
        details: wasSent && !isIdempotent ? 'request already sent; it may have been processed' : 'the backend ended the connection without an answer',
      };
  }
}

function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
