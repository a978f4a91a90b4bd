/** How long to wait before try `attempt` (0 = the first retry): exponential, capped, jittered. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
  /** Share of the delay that is random: 0.25 spreads over ±25 %, 1 is "full jitter" over 0 … delay. */
  readonly jitter: number;
}

/** The delay in ms before retry number `attempt`; `luck` is a fresh random number in [0, 1). */
export function backoffMs(backoff: Backoff, attempt: number, luck: number): number {
  const delayMs = Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(attempt, 30));
  if (backoff.jitter === 1) return delayMs * luck;
  return delayMs * (1 + backoff.jitter * (2 * luck - 1));
}
