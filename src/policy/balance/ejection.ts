/** What passive ejection remembers of one backend. */
export interface EjectionState {
  /** Gateway failures since its last other answer: refused, reset, timed out, 502, 503, 504. */
  readonly consecutiveFailures: number;
  /** Answers of another 5xx since its last good one. */
  readonly consecutiveErrors: number;
  /** Ejections without a good answer between them. */
  readonly timesEjected: number;
  /** In ms on the caller's clock; 0 = not ejected. After it, one request at a time may probe it until one succeeds. */
  readonly ejectedUntil: number;
  readonly cause: EjectionCause | undefined;
}

/** Why a backend was ejected; the words are labels of metrics. */
export type EjectionCause = 'failures' | 'errors' | 'slow';

/** What a service may say about it; 0 turns a reason off. */
export interface EjectionOptions {
  /** Gateway failures in a row that eject. */
  readonly failures: number;
  /** Answers of another 5xx in a row that eject. */
  readonly errors: number;
  /** How many times slower than its peers a backend must be to be ejected, see `slowLimitMs`. */
  readonly slowFactor: number;
  /** Of the first ejection; the second in a row takes twice as long. */
  readonly baseMs: number;
}

export const DEFAULT_EJECTION: EjectionOptions = { failures: 5, errors: 10, slowFactor: 3, baseMs: 10_000 };

export const HEALTHY: EjectionState = { consecutiveFailures: 0, consecutiveErrors: 0, timesEjected: 0, ejectedUntil: 0, cause: undefined };

export const EJECTION = { capMs: 300_000, jitter: 0.2, maxShare: 0.5, leastForErrors: 3 } as const;

/** What surrounds one event. `luck` is a fresh random number in [0, 1). */
export interface EjectionFacts {
  readonly now: number;
  /** Of the service, without those that drain. */
  readonly backendCount: number;
  readonly ejectedCount: number;
  readonly luck: number;
}

/** How many of `count` backends may be ejected at once: half of them, and never the only one. */
export function maxEjected(count: number): number {
  return count <= 1 ? 0 : Math.floor(count * EJECTION.maxShare);
}

/** The state after one more gateway failure. */
export function afterFailure(state: EjectionState, facts: EjectionFacts, options: EjectionOptions = DEFAULT_EJECTION): EjectionState {
  const next = { ...state, consecutiveFailures: state.consecutiveFailures + 1 };
  return judge(next, { cause: 'failures', isDue: options.failures > 0 && next.consecutiveFailures >= options.failures }, facts, options);
}

/**
 * The state after an answer of 5xx that is no gateway failure. Such an answer may be the request's fault, so it takes more of them, and peers enough to tell;
 * but it shows that the backend can be reached.
 */
export function afterError(state: EjectionState, facts: EjectionFacts, options: EjectionOptions = DEFAULT_EJECTION): EjectionState {
  const next = { ...state, consecutiveFailures: 0, consecutiveErrors: state.consecutiveErrors + 1 };
  if (state.cause === 'failures' && ejectionPhase(state, facts.now) === 'half-open') return { ...HEALTHY, consecutiveErrors: next.consecutiveErrors };
  const isDue = options.errors > 0 && next.consecutiveErrors >= options.errors && facts.backendCount >= EJECTION.leastForErrors;
  return judge(next, { cause: 'errors', isDue }, facts, options);
}

/** The state of a backend that is far slower than its peers, or whose probe still was. */
export function afterSlowness(state: EjectionState, facts: EjectionFacts, options: EjectionOptions = DEFAULT_EJECTION): EjectionState {
  return judge(state, { cause: 'slow', isDue: options.slowFactor > 0 }, facts, options);
}

/** The state after a good answer. One to a request from before the ejection proves nothing. */
export function afterSuccess(state: EjectionState, now: number): EjectionState {
  return ejectionPhase(state, now) === 'out' ? state : HEALTHY;
}

/** Where an ejected backend stands: out, or half open, when one request may try it. */
export function ejectionPhase(state: EjectionState, now: number): 'in' | 'out' | 'half-open' {
  if (state.ejectedUntil === 0) return 'in';
  return now < state.ejectedUntil ? 'out' : 'half-open';
}

/** A status that the backend itself is to blame for, other than a gateway failure: not one that says what the request asked too much (501, 505). */
export function isPlainError(status: number): boolean {
  return status >= 500 && status !== 501 && (status < 502 || status > 505);
}

function judge(
  state: EjectionState,
  verdict: { readonly cause: EjectionCause; readonly isDue: boolean },
  facts: EjectionFacts,
  options: EjectionOptions,
): EjectionState {
  const phase = ejectionPhase(state, facts.now);
  if (phase === 'out') return state;
  // A probe that failed needs no permission: the backend is counted among the ejected already.
  if (phase === 'in' && !(verdict.isDue && facts.ejectedCount < maxEjected(facts.backendCount))) return state;
  const timesEjected = state.timesEjected + 1;
  const spread = 1 + EJECTION.jitter * (2 * facts.luck - 1);
  const ejectedMs = Math.min(EJECTION.capMs, options.baseMs * timesEjected * spread);
  return { ...state, timesEjected, ejectedUntil: facts.now + ejectedMs, cause: verdict.cause };
}
