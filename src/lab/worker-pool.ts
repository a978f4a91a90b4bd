import type { Micros } from '#policy/queue/queue-policy';

/** Which workers are idle, up, and what they did last. Without identities it only counts. */
export class WorkerPool {
  readonly size: number;
  readonly isTracked: boolean;
  free: number;
  readonly #stack: Int32Array;
  /** Place in the stack plus one; 0 when not free. */
  readonly #place: Int32Array;
  readonly #freedAt: Float64Array;
  readonly #lastTask: Float64Array;
  readonly #down: Uint8Array;

  constructor(size: number, isTracked: boolean) {
    this.size = size;
    this.isTracked = isTracked;
    this.free = isTracked ? 0 : size;
    const tracked = isTracked ? size : 0;
    this.#stack = new Int32Array(tracked);
    this.#place = new Int32Array(tracked);
    this.#freedAt = new Float64Array(tracked).fill(-1);
    this.#lastTask = new Float64Array(tracked).fill(-1);
    this.#down = new Uint8Array(tracked);
    for (let worker = tracked - 1; worker >= 0; worker -= 1) this.#push(worker);
  }

  isFree(worker: number): boolean {
    return this.isTracked ? (this.#place[worker] ?? 0) > 0 : this.free > 0;
  }

  isDown(worker: number): boolean {
    return this.#down[worker] === 1;
  }

  /** The worker that was freed last, or the lowest at the start. */
  top(): number {
    return this.isTracked ? (this.#stack[this.free - 1] as number) : -1;
  }

  take(worker: number, width: number): void {
    if (!this.isTracked) {
      this.free -= width;
      return;
    }
    const place = (this.#place[worker] as number) - 1;
    this.free -= 1;
    const last = this.#stack[this.free] as number;
    this.#stack[place] = last;
    this.#place[last] = place + 1;
    this.#place[worker] = 0;
  }

  give(worker: number, width: number, now: Micros): void {
    if (!this.isTracked) {
      this.free += width;
      return;
    }
    this.#freedAt[worker] = now;
    if (this.#down[worker] === 0) this.#push(worker);
  }

  fail(worker: number): void {
    if (this.isFree(worker)) this.take(worker, 1);
    this.#down[worker] = 1;
  }

  repair(worker: number, now: Micros): void {
    this.#down[worker] = 0;
    this.#freedAt[worker] = now;
    this.#push(worker);
  }

  /** Whether it has been idle: not freed at this very instant. */
  wasIdle(worker: number, now: Micros): boolean {
    return this.isTracked && this.#freedAt[worker] !== now;
  }

  /** Notes that the worker serves this task, and tells whether it served another one before. */
  changesTo(worker: number, seq: number): boolean {
    if (!this.isTracked) return true;
    const changes = this.#lastTask[worker] !== seq;
    this.#lastTask[worker] = seq;
    return changes;
  }

  #push(worker: number): void {
    this.#stack[this.free] = worker;
    this.free += 1;
    this.#place[worker] = this.free;
  }
}
