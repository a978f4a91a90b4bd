import type { TryFailure } from '#policy/balance/retry';
import { AnswerBody, BROKEN } from './answer-body.ts';
import { AnswerHeads } from './answer-heads.ts';
import type { Backend } from './backend.ts';
import type { Exchange } from './exchange.ts';
import { BODY, SCAN } from './head.ts';
import { DEFAULT_TIMES, keptForMs, LIMITS, type ServiceTimes } from './limits.ts';
import type { Plane } from './plane.ts';
import type { Termination } from './request-account.ts';
import type { RequestBody } from './request-body.ts';
import type { UpstreamTry } from './upstream-try.ts';
import { isExhausted, type Wire, type WireUser } from './wire.ts';

const STATE = { connecting: 0, idle: 1, head: 2, body: 3, tunnel: 4, ending: 5, closed: 6 } as const;

/**
 * A connection to a backend that carries one request at a time.
 *
 * U1: it is in `backend.busy` exactly while it has an exchange, in `backend.idle` exactly while its state is idle. U2: bytes without an exchange end it.
 * U3: it is kept only if request and answer are complete and nothing came after them. U4: it reads into the buffer that all share, whose bytes are used up or copied
 * before anybody reads again, but for a body that goes on: that has a buffer of its own. U5: while turns of the event loop have several requests, one that may wait is sent at
 * the end of its turn, with those of other connections: the backend is woken once for many. What comes before it was sent is no answer.
 * U6: a tunnel both of whose sides have ended is over when its client has taken all, or has not for too long: its connection to the backend is closed before that.
 */
export class UpstreamConnection implements WireUser, UpstreamTry {
  next: UpstreamTry | undefined;
  previous: UpstreamTry | undefined;
  readonly backend: Backend;
  readonly wire: Wire;
  exchange: Exchange | undefined;
  sentAt = 0;
  deadlineAt = 0;
  idleSince = 0;
  idleUntil = 0;
  isReused = false;

  readonly #plane: Plane;
  readonly #openedAt: number;
  /** Requests it may still carry. */
  #left: number;
  #state: number = STATE.connecting;
  readonly #heads: AnswerHeads;
  readonly #body = new AnswerBody();
  #keeps = false;
  #keepAliveMs: number = LIMITS.upstreamIdleMs;
  #isEventStream = false;
  #isPaused = false;
  #isUnsent = false;
  #hasTunnelEnded = false;
  /** Of its own while a body comes in several reads. */
  #bodyBuffer: Buffer | undefined;
  #times: ServiceTimes = DEFAULT_TIMES;

  constructor(plane: Plane, backend: Backend, now: number) {
    this.#plane = plane;
    this.backend = backend;
    this.#openedAt = now;
    this.#heads = new AnswerHeads(plane);
    this.#left = Math.floor(LIMITS.upstreamRequests * (1 + plane.luck() / 4));
    backend.connectionsOpened++;
    this.wire = plane.wires.connected(backend.address, this, plane.readBuffer, { readsWhatCame: true });
  }

  get isConnected(): boolean {
    return this.#state !== STATE.connecting;
  }

  get isAnswering(): boolean {
    return this.#state === STATE.body || this.#state === STATE.tunnel;
  }

  /** Takes a request for its next try. */
  carry(exchange: Exchange, now: number): void {
    this.exchange = exchange;
    this.#times = exchange.service?.times ?? DEFAULT_TIMES;
    this.sentAt = now;
    this.backend.busy.add(this);
    if (this.#state === STATE.idle) {
      this.isReused = true;
      this.#state = STATE.head;
      this.deadlineAt = now + this.#times.answerMs;
    } else this.deadlineAt = now + this.#times.connectMs;
  }

  send(body: RequestBody): boolean {
    if (this.#plane.wires.gathers || !this.exchange?.mayWaitATurn || !this.#plane.gathering.waits()) return body.sendAll(this.wire);
    this.#isUnsent = true;
    this.#plane.atEndOfTurn(this);
    return false;
  }

  /** U5. */
  flush(): void {
    if (!this.#isUnsent) return;
    this.#isUnsent = false;
    this.exchange?.body.sendAll(this.wire);
  }

  onConnected(): void {
    this.#plane.tick();
    const { exchange } = this;
    if (exchange === undefined) {
      this.close();
      return;
    }
    const now = this.#plane.now();
    if (this.backend.refuses) {
      this.backend.refuses = false;
      exchange.service?.refresh();
    }
    const connectMs = now - this.sentAt;
    this.backend.connects.add(connectMs);
    exchange.account.connectMs += connectMs;
    this.#state = STATE.head;
    this.sentAt = now;
    this.deadlineAt = now + this.#times.answerMs;
    exchange.tries.send();
  }

  onBytes(bytes: Buffer, count: number): void {
    this.#plane.tick();
    switch (this.#state) {
      case STATE.head:
        if (this.#isUnsent) this.failTry('stale');
        else this.#readHead(bytes, count);
        break;
      case STATE.body: {
        this.deadlineAt = this.#isEventStream ? Number.POSITIVE_INFINITY : this.#plane.now() + this.#times.idleMs;
        this.#passBody(bytes, 0, count);
        break;
      }
      case STATE.tunnel:
        if (this.exchange !== undefined) this.#passTunnel(this.exchange, bytes, count);
        break;
      case STATE.ending:
        break;
      default:
        // U2.
        this.close();
    }
  }

  onWritable(): void {
    this.exchange?.upstreamWritable();
  }

  onEnded(): void {
    this.#plane.tick();
    if (this.#state === STATE.tunnel) {
      this.#hasTunnelEnded = true;
      this.exchange?.stream.endTunnelToClient();
      return;
    }
    if (this.#state === STATE.body && this.#body.kind === BODY.untilClose) this.#finishUntilClose();
    else this.#lost(undefined);
  }

  onClosed(error: NodeJS.ErrnoException | undefined): void {
    this.#plane.tick();
    // U6.
    if (this.#state !== STATE.tunnel || !this.#hasTunnelEnded || error !== undefined) this.#lost(error);
  }

  /** The wait for the answer begins anew. */
  bodyPassed(now: number): void {
    if (this.#state !== STATE.head) return;
    this.sentAt = now;
    this.deadlineAt = now + this.#times.answerMs;
  }

  resumeReading(): void {
    if (!this.#isPaused) return;
    if (this.#state === STATE.body && !this.#isEventStream) this.deadlineAt = this.#plane.now() + this.#times.idleMs;
    this.#isPaused = false;
    this.wire.resume();
  }

  /** Ends the connection without telling the client: it is gone or goes on elsewhere. */
  abandon(): void {
    if (this.exchange !== undefined) {
      this.exchange = undefined;
      this.backend.busy.remove(this);
      this.#plane.leftBackend(this.backend);
    }
    this.close();
  }

  endTunnel(last: Buffer | undefined): void {
    this.exchange = undefined;
    this.backend.busy.remove(this);
    this.#plane.leftBackend(this.backend);
    this.#state = STATE.ending;
    if (this.#isPaused) this.wire.resume();
    if (last !== undefined) this.wire.write(last);
    this.wire.end();
    this.#plane.later(LIMITS.lingerMs, () => this.close());
  }

  close(): void {
    this.#isUnsent = false;
    if (this.#state === STATE.idle) this.backend.forgetIdle(this);
    this.#state = STATE.closed;
    this.wire.destroy();
  }

  /** Gives up the present try. */
  failTry(failure: TryFailure): void {
    const { exchange } = this;
    this.abandon();
    exchange?.tries.fail(this, failure);
  }

  /** The time for connecting, for the head or between two reads is over. */
  expired(): void {
    if (this.#state === STATE.connecting) this.failTry('refused');
    else if (this.#state === STATE.head) this.failTry('timeout');
    // While we do not read it, it cannot be late; the client's own time runs.
    else if (this.#isPaused) this.deadlineAt = this.#plane.now() + this.#times.idleMs;
    else this.#truncated('sD');
  }

  #readHead(bytes: Buffer, count: number): void {
    const { exchange } = this;
    if (exchange === undefined) {
      this.close();
      return;
    }
    const heads = this.#heads;
    const result = heads.read(bytes, 0, count, exchange);
    if (result === SCAN.incomplete) return;
    if (result === SCAN.bad) this.failTry('malformed');
    else if (heads.head.status === 101) this.#switchProtocols(exchange, heads);
    else this.#beginAnswer(exchange, heads);
  }

  #switchProtocols(exchange: Exchange, { head, source, sourceEnd }: AnswerHeads): void {
    if (!exchange.isUpgrade || !head.upgradesToWebSocket || !head.nominatesUpgrade) {
      this.#plane.countRefusal('answer-bad-upgrade');
      this.failTry('malformed');
      return;
    }
    this.#state = STATE.tunnel;
    this.deadlineAt = Number.POSITIVE_INFINITY;
    this.#plane.countAnswer(this, { status: 101, closes: false, isEndless: true });
    exchange.answerBegan(head);
    exchange.tunnel?.toClient.add(source, head.end, sourceEnd);
    exchange.stream.beginTunnel(source, head, sourceEnd);
    if (exchange.stream.flush()) this.#pause();
  }

  #passTunnel(exchange: Exchange, bytes: Buffer, count: number): void {
    exchange.account.bytesOut += count;
    exchange.tunnel?.toClient.add(bytes, 0, count);
    if (exchange.stream.tunnelToClient(bytes, count)) this.#pause();
  }

  #beginAnswer(exchange: Exchange, { head, source, sourceEnd }: AnswerHeads): void {
    const { status } = head;
    this.#state = STATE.body;
    this.#isEventStream = head.isEventStream;
    this.#plane.countAnswer(this, { status, closes: head.closes, isEndless: this.#isEventStream });
    if (status >= 502 && status <= 504 && exchange.tries.dropsAnswer(this, status)) return;
    exchange.answerBegan(head);
    this.#body.begin(head);
    this.#keeps = !head.closes && (!head.isVersion10 || head.keepsAlive) && head.body !== BODY.untilClose && !exchange.isUpgrade;
    this.#keepAliveMs = keptForMs(head.keepAliveSeconds);
    this.deadlineAt = this.#isEventStream ? Number.POSITIVE_INFINITY : this.#plane.now() + this.#times.idleMs;
    exchange.stream.beginAnswer(source, head, exchange.extraLines(this.backend, head));
    this.#passBody(source, head.end, sourceEnd);
    if (this.#state === STATE.body) this.#takeBodyBuffer();
  }

  /** What comes next is sent on from where it was read, so it is read to where nobody else reads (U4). */
  #takeBodyBuffer(): void {
    this.#bodyBuffer = this.#plane.slabs.takeRead();
    this.wire.changeBuffer(this.#bodyBuffer);
  }

  #leaveBodyBuffer(): void {
    const buffer = this.#bodyBuffer;
    if (buffer === undefined) return;
    this.#bodyBuffer = undefined;
    this.wire.changeBuffer(this.#plane.readBuffer);
    // The client has not taken the end of the answer yet, and that may lie in it.
    if (!this.#isPaused) this.#plane.slabs.giveRead(buffer);
  }

  #passBody(bytes: Buffer, at: number, end: number): void {
    const exchange = this.exchange as Exchange;
    const { stream } = exchange;
    const bodyEnd = this.#body.pass(bytes, at, end, stream);
    exchange.account.bytesOut += (bodyEnd >= 0 ? bodyEnd : end) - at;
    if (stream.flush()) this.#pause();
    if (bodyEnd >= 0) this.#finish(bodyEnd < end);
    else if (bodyEnd === BROKEN) {
      this.#plane.countRefusal('answer-bad-chunk');
      this.#truncated('SD');
    }
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.wire.pause();
  }

  #finishUntilClose(): void {
    const { stream } = this.exchange as Exchange;
    stream.endBody('');
    stream.flush();
    this.#finish(true);
  }

  #finish(hasMore: boolean): void {
    const exchange = this.exchange as Exchange;
    this.#plane.answerEnded(this.backend, exchange);
    this.exchange = undefined;
    this.backend.busy.remove(this);
    this.#plane.leftBackend(this.backend);
    // U3.
    if (this.#keeps && !hasMore && exchange.body.isComplete && !this.wire.isPending) this.#keep();
    else this.close();
    exchange.finishAnswer();
  }

  #keep(): void {
    const now = this.#plane.now();
    if (--this.#left <= 0 || now - this.#openedAt > LIMITS.upstreamAgeMs || !this.backend.keepIdle(this)) {
      this.close();
      return;
    }
    this.#state = STATE.idle;
    this.idleSince = now;
    this.idleUntil = now + this.#keepAliveMs;
    this.#heads.finished();
    this.#leaveBodyBuffer();
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.wire.resume();
  }

  #lost(error: NodeJS.ErrnoException | undefined): void {
    const state = this.#state;
    if (state === STATE.closed) return;
    if (state === STATE.idle || this.exchange === undefined) {
      this.close();
      return;
    }
    if (state === STATE.connecting) {
      this.failTry(isExhausted(error) ? 'exhausted' : 'refused');
      return;
    }
    if (state === STATE.head) {
      if (this.isReused) this.backend.connectionRaces++;
      this.failTry(this.isReused ? 'stale' : 'empty');
      return;
    }
    if (state === STATE.body && this.#body.kind === BODY.untilClose && error === undefined) {
      this.#finishUntilClose();
      return;
    }
    this.#truncated('SD');
  }

  /** The answer cannot be completed: the client must see that, and it counts against the backend. */
  #truncated(end: Termination): void {
    const { exchange } = this;
    const isTunnel = this.#state === STATE.tunnel;
    this.abandon();
    if (!isTunnel && exchange?.service?.backendFailed(this.backend, this.#plane.now())) this.#plane.onReport();
    exchange?.cutOff(isTunnel ? '--' : end);
  }
}
