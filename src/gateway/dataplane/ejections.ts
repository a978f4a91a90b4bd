import {
  afterError,
  afterFailure,
  afterSlowness,
  afterSuccess,
  DEFAULT_EJECTION,
  type EjectionFacts,
  type EjectionOptions,
  type EjectionState,
  ejectionPhase,
  isPlainError,
  maxEjected,
} from '#policy/balance/ejection';
import { slowLimitMs } from '#policy/balance/slowness';
import { weakenAfterFailure } from '#policy/balance/smooth-weighted';
import type { Backend } from './backend.ts';

/** What an answer says of its backend. */
export interface BackendAnswer {
  readonly status: number;
  /** To its head. */
  readonly answerMs: number;
  /** The connection ends after it. */
  readonly closes: boolean;
}

/** How long one that said that it is going is not asked: by then its checks tell. */
const leavingMs = 5_000;
const paceMs = 250;

/** Takes out the backends of one service for what they answer, and lets them back. Each method tells whether that changed who is usable. */
export class Ejections {
  options: EjectionOptions = DEFAULT_EJECTION;
  readonly #luck: () => number;
  #backends: readonly Backend[] = [];
  #paceAt = 0;
  /** Of the backends, ejected now. */
  count = 0;

  constructor(luck: () => number) {
    this.#luck = luck;
  }

  /** Counts anew; called when anything about them has changed. */
  look(backends: readonly Backend[]): void {
    this.#backends = backends;
    this.count = 0;
    for (const backend of backends) if (backend.ejected) this.count++;
  }

  /** A try ended without an answer, and not because of the client. */
  failed(backend: Backend, now: number): boolean {
    backend.failures++;
    backend.latency?.failed(0, now);
    weakenAfterFailure(backend, DEFAULT_EJECTION.failures);
    return this.#became(backend, afterFailure(backend.ejection, this.#facts(now), this.options));
  }

  answered(backend: Backend, answer: BackendAnswer, now: number): boolean {
    const { status, answerMs, closes } = answer;
    if (status === 503 && closes && this.#leaves(backend, now)) return true;
    if (status >= 502 && status <= 504) return this.failed(backend, now);
    if (isPlainError(status)) return this.#became(backend, afterError(backend.ejection, this.#facts(now), this.options));
    const { ejection } = backend;
    const isStillSlow = ejection.cause === 'slow' && ejectionPhase(ejection, now) === 'half-open' && answerMs > backend.slowLimitMs;
    return this.#became(backend, isStillSlow ? afterSlowness(ejection, this.#facts(now), this.options) : afterSuccess(ejection, now));
  }

  /** Called every so often: who is slow, and whose announced departure did not come. */
  sweep(now: number): boolean {
    let changed = false;
    for (const backend of this.#backends) {
      if (backend.leavingUntil === 0 || backend.leavingUntil > now) continue;
      backend.leavingUntil = 0;
      changed = true;
    }
    if (now < this.#paceAt || this.options.slowFactor === 0) return changed;
    this.#paceAt = now + paceMs;
    const turned = this.#backends.filter((backend) => !backend.draining && !backend.ejected && backend.pace.turn(now));
    for (const backend of turned) {
      const peers = this.#backends.filter((peer) => peer !== backend && !peer.draining && !peer.ejected);
      const limitMs = slowLimitMs(
        peers.map((peer) => peer.pace.recent(now)),
        this.options.slowFactor,
      );
      if (!backend.pace.judge(limitMs)) continue;
      backend.slowLimitMs = limitMs ?? Number.POSITIVE_INFINITY;
      if (this.#became(backend, afterSlowness(backend.ejection, this.#facts(now), this.options))) changed = true;
    }
    return changed;
  }

  /** Its own word for it is not a failure, but half of the backends at most are believed at once. */
  #leaves(backend: Backend, now: number): boolean {
    const { backendCount } = this.#facts(now);
    if (backend.ejected || this.count >= maxEjected(backendCount)) return false;
    backend.leavingUntil = now + leavingMs;
    backend.departures++;
    backend.closeIdle();
    this.count++;
    return true;
  }

  #facts(now: number): EjectionFacts {
    let backendCount = 0;
    for (const { draining } of this.#backends) if (!draining) backendCount++;
    return { now, backendCount, ejectedCount: this.count, luck: this.#luck() };
  }

  #became(backend: Backend, next: EjectionState): boolean {
    const before = backend.ejection;
    backend.ejection = next;
    if (next.ejectedUntil === before.ejectedUntil) return false;
    backend.isProbed = false;
    backend.pace.forget();
    if (next.ejectedUntil !== 0 && next.cause !== undefined) {
      backend.ejections[next.cause]++;
      backend.closeIdle();
      this.count++;
    }
    return true;
  }
}
