import type { Micros } from './queue-policy.ts';

const NEVER = Number.MAX_SAFE_INTEGER;

/**
 * How many workers are planned to be free from each moment on: a staircase over time that ends at infinity. Steps are kept sorted; equal
 * neighbours are joined.
 */
export class Availability {
  #times = new Float64Array(64);
  #free = new Int32Array(64);
  #size = 1;

  constructor(start: Micros, free: number) {
    this.#times[0] = start;
    this.#free[0] = free;
  }

  /** Forgets everything before `now`. */
  advance(now: Micros): void {
    let passed = 0;
    while (passed + 1 < this.#size && (this.#times[passed + 1] as number) <= now) passed += 1;
    if (passed > 0) {
      this.#times.copyWithin(0, passed, this.#size);
      this.#free.copyWithin(0, passed, this.#size);
      this.#size -= passed;
    }
    if ((this.#times[0] as number) < now) this.#times[0] = now;
  }

  /** The earliest moment, not before `from`, from which `width` workers are free for `duration`. */
  earliest(width: number, duration: Micros, from: Micros): Micros {
    const size = this.#size;
    const times = this.#times;
    const free = this.#free;
    let start = this.#indexAt(from);
    for (;;) {
      while (start < size && (free[start] as number) < width) start += 1;
      if (start === size) return NEVER;
      const begin = Math.max(from, times[start] as number);
      const end = begin + duration;
      let next = start + 1;
      while (next < size && (times[next] as number) < end && (free[next] as number) >= width) next += 1;
      if (next === size || (times[next] as number) >= end) return begin;
      start = next;
    }
  }

  /**
   * For a task that already holds `width` workers in [start, start + duration): the earliest moment from `from` on, below
   * `limit`, which is at most `start`, at which it could begin instead. Its own hold covers the part after `start`. Undefined when there is none.
   */
  earlier(held: { readonly width: number; readonly duration: Micros; readonly start: Micros }, from: Micros, limit: Micros): Micros | undefined {
    const { width, duration, start: planned } = held;
    const size = this.#size;
    const times = this.#times;
    const free = this.#free;
    // Steps from this one on begin too late.
    const late = this.#indexAt(limit - 1) + 1;
    for (let start = this.#indexAt(from); ; ) {
      while (start < late && (free[start] as number) < width) start += 1;
      if (start >= late) return undefined;
      const begin = Math.max(from, times[start] as number);
      const end = Math.min(begin + duration, planned);
      let next = start + 1;
      while (next < size && (times[next] as number) < end && (free[next] as number) >= width) next += 1;
      if (next === size || (times[next] as number) >= end) return begin;
      start = next;
    }
  }

  /** Adds `change` workers in [from, to). */
  add(from: Micros, to: Micros, change: number): void {
    if (to <= from) return;
    const first = this.#split(from);
    const last = this.#split(to);
    for (let index = first; index < last; index += 1) this.#free[index] = (this.#free[index] as number) + change;
    this.#join(last);
    this.#join(first);
  }

  /** The index of the step that holds at `moment`. */
  #indexAt(moment: Micros): number {
    let low = 0;
    let high = this.#size - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#times[middle] as number) <= moment) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #split(moment: Micros): number {
    const index = this.#indexAt(moment);
    if ((this.#times[index] as number) >= moment) return index;
    if (this.#size === this.#times.length) this.#grow();
    this.#times.copyWithin(index + 2, index + 1, this.#size);
    this.#free.copyWithin(index + 2, index + 1, this.#size);
    this.#times[index + 1] = moment;
    this.#free[index + 1] = this.#free[index] as number;
    this.#size += 1;
    return index + 1;
  }

  #join(index: number): void {
    if (index <= 0 || index >= this.#size || this.#free[index] !== this.#free[index - 1]) return;
    this.#times.copyWithin(index, index + 1, this.#size);
    this.#free.copyWithin(index, index + 1, this.#size);
    this.#size -= 1;
  }

  #grow(): void {
    const times = new Float64Array(this.#size * 2);
    const free = new Int32Array(this.#size * 2);
    times.set(this.#times);
    free.set(this.#free);
    this.#times = times;
    this.#free = free;
  }
}
