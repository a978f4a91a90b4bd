import type { Socket } from 'node:net';
import type { TryFailure } from '#policy/balance/retry';
import { newAdmitted } from './admission.ts';
import type { Backend } from './backend.ts';
import { forwardedFields } from './forwarded-fields.ts';
import { type Head, REFUSAL_STATUS, type Refusal, SCAN } from './head.ts';
import { HeadBuffer } from './head-buffer.ts';
import { HEAD_MARGIN_BYTES, writeRequestHead } from './head-writer.ts';
import type { Linked } from './intrusive-list.ts';
import { LIMITS } from './limits.ts';
import type { Origin } from './origin.ts';
import { answerTo, NO_ROUTE, NOBODY_IN_TIME, type OwnAnswer, ownAnswerText, TOO_MANY_WAIT } from './own-answer.ts';
import { HELD, Pauses } from './pauses.ts';
import { PHASE } from './phase.ts';
import type { Plane } from './plane.ts';
import { RequestBody } from './request-body.ts';
import { scanRequest } from './scan-request.ts';
import type { Service } from './service.ts';
import { SLAB_BYTES } from './slabs.ts';
import { UpstreamConnection } from './upstream-connection.ts';
import { Wire, type WireUser } from './wire.ts';

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
  readonly who: ReturnType<typeof newAdmitted>;

  readonly #plane: Plane;
  readonly #origin: Origin;
  readonly #about: Buffer;
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
  #waiting: HeadBuffer | undefined;
  #ahead: Buffer | undefined;
  readonly #pauses: Pauses;
  #lingered = 0;

  constructor(plane: Plane, socket: Socket, origin: Origin) {
    this.#plane = plane;
    this.#origin = origin;
    this.#body = new RequestBody(plane);
    this.deadlineAt = plane.tick() + LIMITS.keepAliveIdleMs;
    plane.clientsAccepted++;
    plane.clients.add(this);
    // What came with an earlier step's bytes.
    const early: Buffer | null = socket.readableLength > 0 ? socket.read() : null;
    this.wire = Wire.accepted(socket, this, plane.readBuffer);
    this.#pauses = new Pauses(this.wire);
    this.who = newAdmitted(origin.peer);
    this.#about = forwardedFields(origin);
    if (early !== null) this.onBytes(early, early.length);
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
    const now = this.#plane.tick();
    if (this.phase === PHASE.head && this.#waiting === undefined) this.deadlineAt = now + LIMITS.keepAliveIdleMs;
    else if (this.phase === PHASE.body) this.deadlineAt = now + LIMITS.bodyIdleMs;
    else if (this.phase === PHASE.wait) this.deadlineAt = Number.POSITIVE_INFINITY;
    this.#upstream?.resumeReading();
  }

  onEnded(): void {
    switch (this.phase) {
      case PHASE.tunnel:
        this.#upstream?.wire.end();
        break;
      case PHASE.head:
        if (this.#waiting === undefined) this.wire.end();
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
    this.#waiting = undefined;
    this.#ahead = undefined;
  }

  /** The sweep found the deadline passed. */
  expired(): void {
    switch (this.phase) {
      case PHASE.head:
        // A connection that was opened in advance and never used is closed without a word.
        if (this.#waiting === undefined) this.wire.destroy();
        else this.#refuse('head-timeout');
        break;
      case PHASE.body:
        // While we do not read it, its body cannot be late.
        if (this.#pauses.isPaused && !this.wire.isPending) this.deadlineAt = this.#plane.now() + LIMITS.bodyIdleMs;
        else if (this.wire.isPending || this.#status !== 0) this.cutOff();
        else this.#abandonUpstream(() => this.#refuse('body-timeout'));
        break;
      case PHASE.wait:
        if (this.wire.isPending) this.cutOff();
        else this.deadlineAt = Number.POSITIVE_INFINITY;
        break;
      default:
        this.wire.destroy();
    }
  }

  /** Ends the connection if no request is under way on it. */
  endIfIdle(): void {
    if (this.phase === PHASE.head && this.#waiting === undefined) this.#linger();
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
      this.isHead = false;
      this.service = undefined;
      this.#refuse(head.refusal);
      return;
    }
    this.#isReading = true;
    this.#startRequest(source, end, head);
    this.#isReading = false;
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
    const service = plane.serviceFor(bytes, head, this.#origin.internalPort);
    this.service = service;
    const slab = head.end - head.start + HEAD_MARGIN_BYTES > SLAB_BYTES.small ? plane.slabs.takeLarge() : plane.slabs.takeSmall();
    const headLength = service === undefined ? 0 : writeRequestHead(slab, 0, bytes, head, this.#about, plane.nextId());
    this.#body.begin(slab, headLength, head, service?.maxBodyBytes ?? LIMITS.bodyBytes);
    this.phase = this.#body.isComplete ? PHASE.wait : PHASE.body;
    this.deadlineAt = this.#body.isComplete ? Number.POSITIVE_INFINITY : now + LIMITS.bodyIdleMs;
    if (service !== undefined) service.inFlight++;
    const refused = service === undefined ? NO_ROUTE : service.admission?.judge(this.who, bytes, head, now);
    if (service === undefined || refused !== undefined) {
      this.#keepAhead(bytes, head.end, end);
      if (service === undefined && plane.table.isAmbiguous) this.#refuse('bad-path');
      else this.answerSelf(refused ?? NO_ROUTE);
      return;
    }
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
      this.#abandonUpstream(() => this.#refuse(this.#body.isTooLarge ? 'body-too-large' : 'bad-chunk'));
      return false;
    }
    const now = this.#plane.now();
    this.deadlineAt = Math.min(now + LIMITS.bodyIdleMs, this.#startedAt + LIMITS.bodyGraceMs + (this.#body.taken * 1_000) / LIMITS.bodyMinBytesPerSecond);
    if (ready !== undefined) upstream?.bodyPassed(now);
    if (ready?.isPending) this.#pauses.pause(HELD.upstream);
    if (this.#body.isComplete) {
      this.phase = PHASE.wait;
      this.deadlineAt = Number.POSITIVE_INFINITY;
    }
    if (at < end) {
      this.#keepAhead(bytes, at, end);
      // What does not fit while nobody takes it waits in the client's kernel.
      if (this.phase === PHASE.body) this.#pauses.pause(HELD.ahead);
    }
    return true;
  }

  #keepAhead(bytes: Buffer, from: number, end: number): void {
    if (from >= end) return;
    const part = Buffer.from(bytes.subarray(from, end));
    this.#ahead = this.#ahead === undefined ? part : Buffer.concat([this.#ahead, part]);
    if (this.#ahead.length > LIMITS.aheadBytes) this.#pauses.pause(HELD.ahead);
  }

  /** Goes on with bytes that came before their turn. */
  #readAhead(): void {
    while (!this.#isReading && this.phase === PHASE.head && this.#ahead !== undefined) {
      const ahead = this.#ahead;
      this.#ahead = undefined;
      this.#pauses.resume(HELD.ahead);
      this.#readHead(ahead, 0, ahead.length);
    }
  }

  #dispatch(now: number): void {
    const service = this.service as Service;
    const backend = service.pickFor(this.#tried, now, this.who);
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
    if (!this.#isHeld) this.answerSelf(TOO_MANY_WAIT);
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
    this.answerSelf(NOBODY_IN_TIME);
  }

  /** The try's connection is ready. */
  sendRequest(): void {
    const upstream = this.#upstream as UpstreamConnection;
    this.#wasSent = true;
    this.#sentTries++;
    if (this.#body.sendAll(upstream.wire)) this.#pauses.pause(HELD.upstream);
    if (this.service !== undefined && this.service.heldCount > 0) this.service.releaseHeld();
    if (this.phase === PHASE.body && this.#ahead !== undefined) {
      const ahead = this.#ahead;
      this.#ahead = undefined;
      this.#pauses.resume(HELD.ahead);
      this.#takeBody(ahead, 0, ahead.length);
    }
  }

  upstreamWritable(): void {
    this.#pauses.resume(HELD.upstream);
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
    this.#pauses.resume(HELD.upstream);
    this.#tried ??= [];
    this.#tried.push(upstream.backend);
    if (failure === 'refused' && upstream.backend.reachable) {
      upstream.backend.reachable = false;
      service.refresh();
    }
    // A kept connection that went stale says nothing about its backend, and one found silent is out already.
    if (failure !== 'stale' && failure !== 'silent' && service.backendFailed(upstream.backend, now, plane.luck())) plane.onReport();
    const facts = {
      failure,
      answerStarted: this.#status !== 0,
      requestSent: this.#wasSent,
      idempotent: this.#isIdempotent,
      replayable: this.#body.isReplayable,
      tries: this.#tries,
    };
    const decision = service.decideRetry(facts, now);
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
    this.#plane.countRefusal(refusal);
    this.#keeps = false;
    this.answerSelf({ status: REFUSAL_STATUS[refusal] ?? 400, error: 'http_request_error', details: refusal });
  }

  #next(): void {
    this.#body.end();
    this.heldUntil = 0;
    this.#sentTries = 0;
    if (!this.#keeps || this.phase === PHASE.body || this.#plane.isDraining) {
      this.#linger();
      return;
    }
    this.phase = PHASE.head;
    this.deadlineAt = this.wire.isPending ? this.#plane.now() + LIMITS.stallMs : this.#plane.now() + LIMITS.keepAliveIdleMs;
    this.#pauses.resume(this.#ahead === undefined ? HELD.ahead | HELD.upstream : HELD.upstream);
    this.#readAhead();
  }

  /** Says that nothing more comes, and reads on for a while so that the client gets to read what came. */
  #linger(): void {
    this.phase = PHASE.linger;
    this.#lingered = 0;
    this.#ahead = undefined;
    this.deadlineAt = this.#plane.now() + LIMITS.lingerMs;
    this.wire.end();
    this.#pauses.resume(HELD.ahead | HELD.upstream);
  }

  #count(status: number): void {
    const { service } = this;
    if (service === undefined) return;
    if (this.#isHeld) service.leaveHeld(this);
    this.#isHeld = false;
    this.service = undefined;
    service.left();
    const durationMs = this.#plane.now() - this.#startedAt;
    service.countAnswer(status, durationMs);
    this.#plane.accessLog?.add({ client: this.who.peer, request: this.#requestLine, status, durationMs, service: service.key, tries: this.#tries });
  }

  beginTunnel(): void {
    this.phase = PHASE.tunnel;
    this.tunnelled(this.#plane.now());
    const ahead = this.#ahead;
    this.#ahead = undefined;
    this.#pauses.resume(HELD.ahead);
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
    this.#pauses.pause(HELD.upstream);
  }

  #abandonUpstream(then: () => void): void {
    this.#upstream?.abandon();
    this.#upstream = undefined;
    if (this.#status === 0) then();
    else this.cutOff();
  }

  /** The client is gone: nobody works for it any more. */
  #leave(): void {
    this.#upstream?.abandon();
    this.#upstream = undefined;
    this.#body.end();
    if (this.service === undefined) return;
    if (this.phase !== PHASE.tunnel) this.service.clientAborts++;
    this.#count(this.phase === PHASE.tunnel ? 101 : 499);
  }
}
