import { Heap } from '#base/heap';
import type { Generator } from './generator.ts';

interface SimulatedEvent {
  readonly atMs: number;
  readonly tieBreak: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/** Virtual time: events in order of time; those of the same time in an order drawn from the seed, as real machines keep none. */
export class Scheduler {
  readonly #generator: Generator;
  readonly #events = new Heap<SimulatedEvent>(isBefore);
  #nowMs = 0;
  #order = 0;

  constructor(generator: Generator) {
    this.#generator = generator;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** When the next event is due, or `undefined` if nothing will ever happen. */
  get nextMs(): number | undefined {
    while (this.#events.peek()?.callback === undefined && this.#events.size > 0) this.#events.pop();
    return this.#events.peek()?.atMs;
  }

  at(atMs: number, callback: () => void): Disposable {
    const event: SimulatedEvent = { atMs: Math.max(this.#nowMs, atMs), tieBreak: this.#generator.uint32(), order: this.#order++, callback };
    this.#events.push(event);
    return {
      [Symbol.dispose]: () => {
        event.callback = undefined;
      },
    };
  }

  /** Runs the next event. Call only while `nextMs` is defined. */
  step(): void {
    const event = this.#events.pop();
    if (!event) return;
    this.#nowMs = event.atMs;
    event.callback?.();
  }

  /** Time passes without events up to here. */
  skipTo(atMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }
}

function isBefore(a: SimulatedEvent, b: SimulatedEvent): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  return a.tieBreak === b.tieBreak ? a.order < b.order : a.tieBreak < b.tieBreak;
}
