import { LIMITS } from './limits.ts';
import type { PipelinedTry } from './pipelined-try.ts';

/** The requests of one pipelined connection whose answers have not ended, in the order in which they are sent and answered. */
export class AnswerQueue {
  first: PipelinedTry | undefined;
  last: PipelinedTry | undefined;
  size = 0;
  /** Those that somebody waits for. */
  awaited = 0;
  /** Since when it is the first one's turn. */
  turnAt: number;
  /** What an answer has taken of late from when it was its turn, ms: an exponentially weighted mean. */
  #paceMs = Number.POSITIVE_INFINITY;

  constructor(now: number) {
    this.turnAt = now;
  }

  /** How long one added now may wait for those before it, ms, as they went of late; unknown before the first answer. */
  get waitMs(): number {
    return this.size === 0 ? 0 : this.size * this.#paceMs;
  }

  add(one: PipelinedTry, now: number): void {
    if (this.last === undefined) {
      this.first = one;
      this.turnAt = now;
    } else this.last.behind = one;
    this.last = one;
    this.size++;
    this.awaited++;
  }

  /** The answer of the first has ended: it is the next one's turn. */
  shift(now: number): void {
    this.first = this.first?.behind;
    if (this.first === undefined) this.last = undefined;
    this.size--;
    const took = now - this.turnAt;
    this.#paceMs = this.#paceMs === Number.POSITIVE_INFINITY ? took : this.#paceMs + (took - this.#paceMs) / LIMITS.pipelinePaceAnswers;
    this.turnAt = now;
  }

  /** Takes one out that will have no answer. */
  remove(one: PipelinedTry): void {
    let before: PipelinedTry | undefined;
    for (let each = this.first; each !== one; each = each.behind) {
      if (each === undefined) return;
      before = each;
    }
    if (before === undefined) this.first = one.behind;
    else before.behind = one.behind;
    if (this.last === one) this.last = before;
    this.size--;
  }

  clear(): void {
    this.first = undefined;
    this.last = undefined;
    this.size = 0;
  }
}
