/** What passive ejection remembers of one backend. */
export interface EjectionState {
  /** Gateway failures since its last good answer: refused, reset, timed out, 502, 503, 504. */
  readonly consecutiveFailures: number;
  /** Ejections without a good answer between them. */
  readonly timesEjected: number;
  /** In ms on the caller's clock; 0 = not ejected. After it, one request at a time may probe it until one succeeds. */
  readonly ejectedUntil: number;
}

export const HEALTHY: EjectionState = { consecutiveFailures: 0, timesEjected: 0, ejectedUntil: 0 };

export const EJECTION = { failures: 5, baseMs: 10_000, capMs: 300_000, jitter: 0.2, maxShare: 0.5 } as const;

/** How many of `count` backends may be ejected at once: half of them, and never the only one. */
export function maxEjected(count: number): number {
  return count <= 1 ? 0 : Math.floor(count * EJECTION.maxShare);
}

/** The state after one more gateway failure. `luck` is a fresh random number in [0, 1). */
export function afterFailure(
  state: EjectionState,
  facts: { readonly now: number; readonly backendCount: number; readonly ejectedCount: number; readonly luck: number },
): EjectionState {
  const consecutiveFailures = state.consecutiveFailures + 1;
  const isProbe = state.ejectedUntil !== 0 && facts.now >= state.ejectedUntil;
  if (state.ejectedUntil !== 0 && !isProbe) return { ...state, consecutiveFailures };
  const mayEject = isProbe || (consecutiveFailures >= EJECTION.failures && facts.ejectedCount < maxEjected(facts.backendCount));
  if (!mayEject) return { ...state, consecutiveFailures };
  const timesEjected = state.timesEjected + 1;
  const spread = 1 + EJECTION.jitter * (2 * facts.luck - 1);
  return { consecutiveFailures, timesEjected, ejectedUntil: facts.now + Math.min(EJECTION.capMs, EJECTION.baseMs * timesEjected) * spread };
}

/** Where an ejected backend stands: out, or half open, when one request may try it. */
export function ejectionPhase(state: EjectionState, now: number): 'in' | 'out' | 'half-open' {
  if (state.ejectedUntil === 0) return 'in';
  return now < state.ejectedUntil ? 'out' : 'half-open';
}
