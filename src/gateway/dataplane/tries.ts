import { RETRY_PACE, type RetryCondition, retryDelayMs, type TryFacts, type TryFailure } from '#policy/balance/retry';
import type { Backend } from './backend.ts';
import type { Exchange } from './exchange.ts';
import type { HeldRequest } from './held-queue.ts';
import { LIMITS } from './limits.ts';
import { ALL_FULL, answerTo, cannotPassOn, NOBODY_IN_TIME, TOO_MANY_WAIT } from './own-answer.ts';
import type { Plane } from './plane.ts';
import type { Service } from './service.ts';
import { UpstreamConnection } from './upstream-connection.ts';
import type { UpstreamTry } from './upstream-try.ts';
import type { Wire } from './wire.ts';

const NOBODY: readonly Backend[] = [];

/**
 * The tries of an exchange's requests, one request after the other: which backend is asked, whether a failed try is repeated elsewhere, and the wait while nobody is usable.
 *
 * T1: `current` is set exactly while a try is under way. T2: what was sent of a request is counted over all its waits: one that ends every backend it reaches
 * does not go round for ever. T3: a kept connection that ended says nothing of its backend, which may be asked again at once on a new one, if nobody else is usable.
 */
export class Tries implements HeldRequest {
  /** The one under way. */
  current: UpstreamTry | undefined;
  heldUntil = 0;
  retryAt = 0;
  /** The last try's request was handed over, whole or not. */
  wasSent = false;
  isHeld = false;

  readonly #plane: Plane;
  readonly #exchange: Exchange;
  #isPipelined = false;
  /** Who has failed it since it last waited. */
  #failed: Backend[] | undefined;
  /** Those of them at which no more than a kept connection has failed. */
  #stale: readonly Backend[] = NOBODY;
  #sent = 0;
  #heldAt = 0;
  /** Until the next try. */
  #pause: Disposable | undefined;

  constructor(plane: Plane, exchange: Exchange) {
    this.#plane = plane;
    this.#exchange = exchange;
  }

  /** A new request; `isPipelined`: it may share a connection with others. */
  begin(isPipelined: boolean): void {
    this.heldUntil = 0;
    this.wasSent = false;
    this.#isPipelined = isPipelined;
    this.#failed = undefined;
    this.#stale = NOBODY;
    this.#sent = 0;
  }

  /** The connection that has the head of the request. */
  get readyWire(): Wire | undefined {
    const { current } = this;
    return current !== undefined && this.wasSent && current.exchange === this.#exchange ? current.wire : undefined;
  }

  /** Starts a try, or waits for somebody who is usable. */
  start(now: number): void {
    const exchange = this.#exchange;
    const service = exchange.service as Service;
    const backend = service.pickFor(this.#failed, now, exchange.who) ?? this.#pickAgain(service, now);
    if (backend === undefined) {
      this.#hold(service, now);
      return;
    }
    exchange.account.tries++;
    this.wasSent = false;
    exchange.account.backend = backend.name;
    const upstream = (this.#isPipelined ? backend.pipelineOn(this.#plane).carry(exchange, now) : undefined) ?? this.#carryAlone(backend, now);
    this.current = upstream;
    if (upstream.isConnected) this.send();
  }

  /** T3. */
  #pickAgain(service: Service, now: number): Backend | undefined {
    const failed = this.#failed;
    if (failed === undefined) return undefined;
    const stale = this.#stale;
    const again =
      stale.length === 0
        ? undefined
        : service.pickFor(
            failed.filter((each) => !stale.includes(each)),
            now,
            this.#exchange.who,
          );
    return again ?? service.pickDoubtful(failed);
  }

  #carryAlone(backend: Backend, now: number): UpstreamConnection {
    // T3. Where one kept connection was stale, others may be.
    const idle = this.#failed?.includes(backend) ? undefined : backend.takeIdle(now);
    const upstream = idle ?? new UpstreamConnection(this.#plane, backend, now);
    upstream.carry(this.#exchange, now);
    return upstream;
  }

  /** The try's connection is ready. */
  send(): void {
    const { service, stream, body } = this.#exchange;
    const upstream = this.current as UpstreamTry;
    this.wasSent = true;
    this.#sent++;
    if (upstream.send(body)) stream.pauseBody();
    if (service !== undefined && service.heldCount > 0) service.releaseHeld();
    if (!body.isComplete) stream.passWaitingBody();
  }

  /** The try under way ended before its answer began. */
  fail(upstream: UpstreamTry, failure: TryFailure): void {
    const exchange = this.#exchange;
    const { who, body } = exchange;
    const service = exchange.service as Service;
    const plane = this.#plane;
    const now = plane.now();
    this.#leave(upstream, failure);
    if (failure === 'refused' && !upstream.backend.refuses) {
      upstream.backend.refuses = true;
      service.refresh();
    }
    // A kept connection that went stale says nothing about its backend, nor does what is missing here; and one found silent is out already.
    if (failure !== 'stale' && failure !== 'silent' && failure !== 'exhausted' && service.backendFailed(upstream.backend, now)) plane.onReport();
    const decision = service.decideRetry(this.#factsOf(failure, 'timeout'), now);
    if (decision.retry) {
      this.#retry(service, failure);
      return;
    }
    // Nothing can happen twice: rather wait for one who answers than fail.
    if ((failure === 'refused' || failure === 'exhausted') && (this.#sent === 0 || who.mayRepeat) && body.isReplayable) {
      this.#hold(service, now);
      return;
    }
    exchange.answerSelf(failure === 'malformed' ? cannotPassOn(plane.lastRefusal) : answerTo(failure, this.wasSent, who.mayRepeat));
  }

  /** True if an answer of this status is dropped, because the service wants another try and one may be made; else it is the answer. */
  dropsAnswer(upstream: UpstreamTry, status: number): boolean {
    const service = this.#exchange.service as Service;
    const condition = String(status) as RetryCondition;
    if (!service.retriesOn(condition) || !service.decideRetry(this.#factsOf('status', condition), this.#plane.now()).retry) return false;
    upstream.abandon();
    this.#leave(upstream, 'status');
    this.#retry(service, 'status');
    return true;
  }

  /** Another request's answer holds it up: it goes elsewhere, alone this time, if that is safe. */
  moveAway(): void {
    const { service } = this.#exchange;
    const now = this.#plane.now();
    if (service === undefined || !service.decideRetry(this.#factsOf('held', 'timeout'), now).retry) return;
    this.abandon();
    this.#retry(service, 'held');
  }

  /** The answer of the one under way was handed over, or what follows needs no try. */
  finished(): void {
    this.current = undefined;
  }

  /** Ends the try under way, and the pause before another; nobody is told. */
  abandon(): void {
    this.#pause?.[Symbol.dispose]();
    this.#pause = undefined;
    this.current?.abandon();
    this.current = undefined;
  }

  #leave({ backend }: UpstreamTry, failure: TryFailure): void {
    this.current = undefined;
    this.#exchange.stream.resumeBody();
    this.#failed ??= [];
    this.#failed.push(backend);
    this.#stale = failure === 'stale' ? [...this.#stale, backend] : this.#stale.filter((each) => each !== backend);
  }

  #factsOf(failure: TryFailure, condition: RetryCondition): Omit<TryFacts, 'budgetLeft' | 'maxTries'> {
    const { status, who, body, account, service } = this.#exchange;
    return {
      failure,
      answerStarted: status !== 0,
      requestSent: this.wasSent,
      idempotent: who.mayRepeat,
      replayable: body.isReplayable,
      tries: account.tries,
      optedIn: service?.retriesOn(condition) ?? false,
    };
  }

  #retry(service: Service, failure: TryFailure): void {
    service.counts.retried(failure);
    // What broke may break again for those behind it: a second try has a connection of its own.
    this.#isPipelined = false;
    const plane = this.#plane;
    const delayMs = retryDelayMs(failure, this.#exchange.account.tries, plane.luck());
    if (delayMs === 0) {
      this.start(plane.now());
      return;
    }
    this.#pause = plane.later(delayMs, () => {
      this.#pause = undefined;
      this.start(plane.tick());
    });
  }

  #hold(service: Service, now: number): void {
    const exchange = this.#exchange;
    if (this.heldUntil === 0) this.heldUntil = now + LIMITS.holdMs;
    if (now >= this.heldUntil || service.isRetired) {
      exchange.answerSelf(NOBODY_IN_TIME);
      return;
    }
    // who has just failed this request is not asked by it again at once.
    this.retryAt = this.#failed === undefined ? 0 : now + Math.min(RETRY_PACE.sameServerMs, service.times.connectMs);
    this.isHeld = service.hold(this);
    this.#heldAt = now;
    if (!this.isHeld) exchange.answerSelf(service.isFull ? ALL_FULL : TOO_MANY_WAIT);
  }

  /** What the request keeps in memory while it waits; more of a body that is not complete may come. */
  get heldBytes(): number {
    return this.#exchange.body.heldBytes;
  }

  dispatchHeld(): void {
    this.#leaveHold();
    this.#failed = undefined;
    this.#stale = NOBODY;
    // T2.
    this.#exchange.account.tries = this.#sent;
    this.start(this.#plane.now());
  }

  holdExpired(): void {
    this.#leaveHold();
    this.#exchange.answerSelf(NOBODY_IN_TIME);
  }

  /** The request ends while it waits. */
  leaveHold(service: Service | undefined): void {
    if (!this.isHeld) return;
    service?.leaveHeld(this);
    this.#leaveHold();
  }

  #leaveHold(): void {
    this.isHeld = false;
    this.#exchange.account.queuedMs += this.#plane.now() - this.#heldAt;
  }
}
