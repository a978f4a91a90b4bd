import { sleepBy } from '../sleep.ts';
import type { Clock, Instant, UnixMs } from '../world.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';

/** How a host's clocks differ from true virtual time. */
export interface ClockErrors {
  /** 1.01 runs one percent fast. */
  readonly rate: number;
  readonly wallSkewMs: number;
  /** True time at which the host booted: the origin of its monotonic clock. */
  readonly bootedAtMs: number;
}

/** Where every simulation begins on the wall: 2030-01-01T00:00:00Z. */
const epochMs = 1_893_456_000_000;

/** Two conversions of a moment may differ by a rounding error; who waits for a moment must not wake before it, or it waits again without end. */
const roundingMs = 1e-6;

/** A clock that runs a little fast or slow. It fires exactly at its own due time, never early. */
export class SimulatedClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #life: Life;
  readonly #errors: ClockErrors;

  constructor(scheduler: Scheduler, life: Life, errors: ClockErrors) {
    this.#scheduler = scheduler;
    this.#life = life;
    this.#errors = errors;
  }

  now(): Instant {
    return ((this.#scheduler.nowMs - this.#errors.bootedAtMs) * this.#errors.rate) as Instant;
  }

  wall(): UnixMs {
    return Math.floor(epochMs + this.#scheduler.nowMs * this.#errors.rate + this.#errors.wallSkewMs) as UnixMs;
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    await sleepBy(this, delayMs, signal);
  }

  after(delayMs: number, callback: () => void): Disposable {
    if (delayMs <= 0) return this.#life.deliver(0, callback);
    return this.#life.deliver(delayMs / this.#errors.rate + roundingMs, callback);
  }
}
