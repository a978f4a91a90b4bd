import type { AboutClient } from './about-client.ts';
import { type Admitted, changeClient } from './admission.ts';
import type { Backend } from './backend.ts';
import type { ClientStream } from './client-stream.ts';
import { dateLine } from './clock.ts';
import { answerChallenge, judgeEntry } from './entry.ts';
import { dropOddNames } from './field-values.ts';
import type { Head, Refusal } from './head.ts';
import { HEAD_MARGIN_BYTES, writeRequestHead } from './head-writer.ts';
import { LIMITS } from './limits.ts';
import type { Origin } from './origin.ts';
import { NO_ROUTE, type OwnAnswer, overdue, refusalAnswer } from './own-answer.ts';
import type { Plane } from './plane.ts';
import { RequestAccount, type Termination } from './request-account.ts';
import { RequestBody } from './request-body.ts';
import type { Service } from './service.ts';
import { SLAB_BYTES } from './slabs.ts';
import { Tries } from './tries.ts';
import type { TunnelDrain } from './tunnel-drain.ts';
import { WebSocketTunnel } from './web-socket-tunnel.ts';

/**
 * A request under way, from its head to its last answer byte: which service, what its backend gets, how it ended. It knows nothing of the
 * client's protocol; an HTTP/1.1 connection uses one for all its requests.
 *
 * C1: until the answer begins, all that was sent of the request is in the body's slab, or it is not replayable. C2: every path out of a request goes through
 * `finishAnswer`, `answerSelf`, `cutOff`, `leave` or the end of its tunnel, which count it once.
 */
export class Exchange {
  readonly stream: ClientStream;
  readonly who: Admitted;
  readonly body: RequestBody;
  readonly account = new RequestAccount();
  readonly tries: Tries;
  service: Service | undefined;
  isHead = false;
  isUpgrade = false;
  /** Of the answer that has begun; 0 before. */
  status = 0;
  /** Set while it is a WebSocket's. */
  tunnel: WebSocketTunnel | undefined;

  readonly #plane: Plane;
  /** Until the whole request has taken too long. */
  #total: Disposable | undefined;

  constructor(plane: Plane, stream: ClientStream, who: Admitted) {
    this.#plane = plane;
    this.stream = stream;
    this.who = who;
    this.body = new RequestBody(plane);
    this.tries = new Tries(plane, this);
  }

  /**
   * Takes up a request whose head was scanned in `bytes`; `about` is what we say of the client. Gives the answer to one that may not pass; else `tries.start`
   * comes next, after as much of the body as is there.
   */
  begin(bytes: Buffer, head: Head, about: AboutClient, origin: Origin): OwnAnswer | undefined {
    const plane = this.#plane;
    const now = plane.now();
    plane.requests++;
    this.status = 0;
    this.isHead = head.isHead;
    this.isUpgrade = head.upgradesToWebSocket;
    this.who.mayRepeat = head.isIdempotent;
    this.who.answerLines = '';
    const service = plane.serviceFor(bytes, head, origin.internalPort);
    this.service = service;
    const slab = head.end - head.start + HEAD_MARGIN_BYTES > SLAB_BYTES.small ? plane.slabs.takeLarge() : plane.slabs.takeSmall();
    const said = about.of(bytes, head);
    if (said.client !== this.who.peer) changeClient(this.who, said.client);
    const id = said.requestId ?? plane.nextId();
    this.account.begin(plane, bytes, head, id);
    const odd = head.hasOddNames ? service?.oddFieldNames : undefined;
    if (odd === 'drop') dropOddNames(bytes, head);
    const headLength = service === undefined ? 0 : writeRequestHead(slab.bytes, 0, bytes, head, said, id);
    this.body.begin(slab, headLength, head, service?.maxBodyBytes ?? LIMITS.bodyBytes);
    const elsewhere = answerChallenge(plane.tls.challenges, bytes, head) ?? judgeEntry(origin, service, bytes, head, plane.wantsTls);
    if (elsewhere !== undefined) {
      this.service = undefined;
      return elsewhere;
    }
    if (service === undefined) {
      if (plane.table.isAmbiguous) return this.#refused('bad-path');
      plane.unrouted++;
      return NO_ROUTE;
    }
    this.tries.begin(service.pipelines && (head.isGet || head.isHead) && this.body.isComplete && !head.upgradesToWebSocket && !head.expectsContinue);
    service.entered();
    const { totalMs } = service.times;
    if (totalMs !== undefined) this.#total = plane.later(totalMs, () => this.#overdue(service));
    if (odd === 'refuse') return this.#refused('odd-field-name');
    const refused = service.admission?.judge(this.who, bytes, head, now);
    if (refused === undefined) service.budget.countRequest(now);
    return refused;
  }

  /** Takes what of `[from, end)` belongs to the body and can be kept or sent. Where it stopped, or -1: the body is broken and the client was told. */
  takeBody(bytes: Buffer, from: number, end: number): number {
    const ready = this.tries.readyWire;
    const at = this.body.take(bytes, from, end, ready);
    if (at < 0) this.fail(this.body.isTooLarge ? 'body-too-large' : 'bad-chunk');
    else if (ready !== undefined) {
      this.tries.current?.bodyPassed(this.#plane.now());
      if (ready.isPending) this.stream.pauseBody();
    }
    return at;
  }

  /** The client has sent all of a body that came unframed. False: that must be told again once a backend is there. */
  endBody(trailers: string): boolean {
    const { body } = this;
    if (body.isComplete) return true;
    if (!body.endUnframed(trailers, this.tries.readyWire)) return false;
    if (body.isBroken) this.fail('bad-length');
    else this.tries.current?.bodyPassed(this.#plane.now());
    return true;
  }

  /** Nothing is lost if it is sent with others at the end of the turn, or not at all and then elsewhere. */
  get mayWaitATurn(): boolean {
    return this.who.mayRepeat && this.body.isComplete;
  }

  /** A try of it that hangs may be repeated elsewhere. */
  get mayMove(): boolean {
    return this.who.mayRepeat && this.status === 0 && this.body.isReplayable;
  }

  /** The final answer, or a change of protocol, begins: there will be no other try. */
  answerBegan({ status, isEventStream }: Pick<Head, 'status' | 'isEventStream'>): void {
    this.status = status;
    if (status === 101 || isEventStream) this.#endTotal();
    this.account.answeredAt = this.#plane.now();
    if (status === 101) this.#openTunnel();
    this.body.answerBegan();
  }

  /** What an answer of this backend gets beside its own fields: its date if it has none (RFC 9110, 6.6.1), the cookie that binds a client that is not bound here, and what is left of its rate. */
  extraLines({ stickyLine, stickySecureLine, stickyToken }: Backend, { hasDate }: Head): string {
    const lines = hasDate ? this.who.answerLines : dateLine() + this.who.answerLines;
    if (stickyLine === '' || this.who.stickyToken === stickyToken) return lines;
    return (this.stream.tls === '' ? stickyLine : stickySecureLine) + lines;
  }

  /** The answer has been handed over completely. */
  finishAnswer(): void {
    this.tries.finished();
    this.#count(this.status, '--');
    this.#end();
  }

  /** Answers without a backend. */
  answerSelf(answer: OwnAnswer): void {
    this.status = answer.status;
    this.account.answeredAt = this.#plane.now();
    this.stream.answerSelf(answer);
    this.#count(answer.status, answer.end);
    this.#end();
  }

  /** The time of its service for a whole request is over. */
  #overdue(service: Service): void {
    const now = this.#plane.tick();
    if (this.status !== 0) {
      this.cutOff('sD');
      return;
    }
    const upstream = this.tries.current;
    const isSlow = upstream?.isConnected === true && this.body.isComplete;
    if (isSlow && service.backendFailed(upstream.backend, now)) this.#plane.onReport();
    const end = !this.body.isComplete ? 'cR' : upstream === undefined ? 'sQ' : isSlow ? 'sH' : 'sC';
    this.tries.abandon();
    this.answerSelf(overdue(end));
  }

  #endTotal(): void {
    this.#total?.[Symbol.dispose]();
    this.#total = undefined;
  }

  /** Refuses what the client sent before any try. */
  refuse(refusal: Refusal): void {
    this.answerSelf(this.#refused(refusal));
  }

  /** The request cannot be completed: nobody works on it any more, and the client is told if its answer has not begun. */
  fail(refusal: Refusal): void {
    this.tries.abandon();
    if (this.status === 0) this.refuse(refusal);
    else this.cutOff('PD');
  }

  /** The answer cannot be completed. */
  cutOff(end: Termination): void {
    this.tries.abandon();
    this.body.end();
    this.#count(this.status === 0 ? 502 : this.status, end);
    this.stream.cutOff();
  }

  /** The client is gone: nobody works for it any more. */
  leave(): void {
    const end = this.#endByClient();
    this.tries.abandon();
    this.body.end();
    if (this.service === undefined) return;
    const isTunnel = this.status === 101;
    if (!isTunnel) this.service.counts.clientAborts++;
    this.#count(isTunnel ? 101 : 499, end);
  }

  #endByClient(): Termination {
    if (this.status === 101) return '--';
    if (this.status !== 0) return 'CD';
    if (!this.body.isComplete) return 'CR';
    if (this.tries.isHeld || this.tries.current === undefined) return 'CQ';
    return this.tries.current.isConnected ? 'CH' : 'CC';
  }

  upstreamWritable(): void {
    this.stream.resumeBody();
  }

  /** The client takes bytes again. */
  clientWritable(): void {
    this.tries.current?.resumeReading();
  }

  /** Bytes for the backend through the tunnel. */
  tunnelToBackend(bytes: Buffer, from: number, end: number): void {
    const wire = this.tries.current?.wire;
    if (wire === undefined) return;
    const { scratch } = this.#plane;
    this.body.taken += end - from;
    this.tunnel?.toBackend.add(bytes, from, end);
    bytes.copy(scratch, 0, from, end);
    if (!wire.write(this.#plane.scratchTo(end - from))) return;
    this.#plane.renewScratch();
    this.stream.pauseBody();
  }

  #openTunnel(): void {
    this.tunnel = new WebSocketTunnel({ openedAt: this.#plane.now(), luck: this.#plane.luck() });
    if (this.service !== undefined) this.service.counts.tunnels++;
  }

  /** Called every so often while its backend or this worker drains: ends a tunnel whose time has come. */
  sweepTunnel(now: number, drains: readonly (TunnelDrain | undefined)[]): void {
    const { tunnel, service } = this;
    if (tunnel === undefined || service === undefined || !tunnel.isDue(now, drains)) return;
    const { lastToClient, lastToBackend } = tunnel;
    service.counts.tunnelsDrained[lastToClient === undefined ? 'cut' : 'closed']++;
    this.tunnel = undefined;
    const upstream = this.tries.current;
    this.tries.finished();
    upstream?.endTunnel(lastToBackend);
    this.body.end();
    this.#count(101, 'PT');
    this.stream.closeTunnel(lastToClient);
  }

  /** The client sends nothing more through the tunnel. */
  endTunnelToBackend(): void {
    this.tries.current?.wire?.end();
  }

  #refused(refusal: Refusal): OwnAnswer {
    this.#plane.countRefusal(refusal);
    return refusalAnswer(refusal);
  }

  #end(): void {
    this.body.end();
    this.isHead = false;
    this.stream.finished();
  }

  #count(status: number, end: Termination): void {
    const { service } = this;
    this.#endTotal();
    this.tries.leaveHold(service);
    this.account.ended(this.#plane, { service, status, end, bytesIn: this.body.taken, who: this.who, stream: this.stream });
    if (service === undefined) return;
    if (this.status === 101) service.counts.tunnels--;
    this.service = undefined;
    service.left();
  }
}
