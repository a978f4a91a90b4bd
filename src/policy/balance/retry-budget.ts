/** Share of requests that may be repeated, the window it is measured in, and what is allowed in any case. */
export const RETRY_BUDGET = { share: 0.2, windowMs: 10_000, perSecond: 10 } as const;

const slots = 10;
const slotMs = RETRY_BUDGET.windowMs / slots;

/** Bounds the retries of one service, so that an overloaded one is not asked yet more. One call per request: nothing is allocated. */
export class RetryBudget {
  readonly #requests = new Float64Array(slots);
  readonly #retries = new Float64Array(slots);
  #slot = 0;

  countRequest(now: number): void {
    this.#turn(now);
    const index = this.#slot % slots;
    this.#requests[index] = (this.#requests[index] as number) + 1;
  }

  /** Takes one retry if there is one left. `now` in ms, never falling. */
  take(now: number): boolean {
    this.#turn(now);
    const allowed = sum(this.#requests) * RETRY_BUDGET.share + (RETRY_BUDGET.perSecond * RETRY_BUDGET.windowMs) / 1_000;
    if (sum(this.#retries) >= allowed) return false;
    const index = this.#slot % slots;
    this.#retries[index] = (this.#retries[index] as number) + 1;
    return true;
  }

  #turn(now: number): void {
    const slot = Math.floor(now / slotMs);
    if (slot === this.#slot) return;
    const stale = Math.min(slots, slot - this.#slot);
    for (let i = 0; i < stale; i++) {
      this.#requests[(slot - i) % slots] = 0;
      this.#retries[(slot - i) % slots] = 0;
    }
    this.#slot = slot;
  }
}

function sum(counts: Float64Array): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
