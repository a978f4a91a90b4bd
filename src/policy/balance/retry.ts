/** How one try of a request at a backend ended without an answer that is passed on. */
export type TryFailure =
  | 'refused' // no connection was made: nothing can have been processed
  | 'exhausted' // this machine had nothing left to make a connection with: no backend is to blame
  | 'stale' // a kept connection ended before the first byte of an answer
  | 'empty' // a fresh connection ended before the first byte of an answer
  | 'silent' // the backend stopped answering while its peers went on
  | 'held' // the answer to another request on its connection did not end
  | 'timeout' // no answer within the route's time
  | 'status' // an answer of 502, 503 or 504
  | 'malformed'; // the answer broke the protocol

/** What a service may add to what is repeated anyway: answers of these statuses, and tries that took too long. */
export const RETRY_CONDITIONS = ['502', '503', '504', 'timeout'] as const;
export type RetryCondition = (typeof RETRY_CONDITIONS)[number];

/** What decides whether a failed try may be repeated elsewhere. */
export interface TryFacts {
  readonly failure: TryFailure;
  /** At least one byte of the final answer has gone to the client. */
  readonly answerStarted: boolean;
  /** At least one byte of the request has been handed to this backend. */
  readonly requestSent: boolean;
  /** GET, HEAD, OPTIONS, TRACE, PUT, DELETE (RFC 9110, 9.2.2), or one that says that the backend knows how to do it once. */
  readonly idempotent: boolean;
  /** Everything read of the request so far is kept. */
  readonly replayable: boolean;
  /** Tries made, this one included. */
  readonly tries: number;
  readonly budgetLeft: boolean;
  /** Where it differs from `MAX_TRIES`. */
  readonly maxTries?: number | undefined;
  /** The service asked for it: for `status` and `timeout`, which are final otherwise. */
  readonly optedIn?: boolean;
}

/** Tries of one request in all. */
export const MAX_TRIES = 3;

/** Before another try, in ms; and before one at a server that has already failed this request. */
export const RETRY_PACE = { baseMs: 25, capMs: 250, sameServerMs: 1_000 } as const;

/** Why a request is tried again or not; the words are labels of metrics. */
export type RetryDecision =
  | { readonly retry: true }
  | { readonly retry: false; readonly because: 'answer-started' | 'not-safe' | 'not-kept' | 'tries' | 'budget' | 'final' };

/** a try is repeated only if that cannot do anything twice. */
export function decideRetry(facts: TryFacts): RetryDecision {
  if (facts.answerStarted) return no('answer-started');
  // Who breaks the protocol once would again; a slow answer or one that says "not now" is worth a second try only where the service says so.
  if (facts.failure === 'malformed') return no('final');
  // Elsewhere it would be the same.
  if (facts.failure === 'exhausted') return no('final');
  if ((facts.failure === 'timeout' || facts.failure === 'status') && facts.optedIn !== true) return no('final');
  const nothingProcessed = facts.failure === 'refused' || !facts.requestSent;
  if (!nothingProcessed && !facts.idempotent) return no('not-safe');
  if (!facts.replayable) return no('not-kept');
  if (facts.tries >= (facts.maxTries ?? MAX_TRIES)) return no('tries');
  if (!facts.budgetLeft) return no('budget');
  return { retry: true };
}

/**
 * How long the next try waits, in ms. Not at all after failures that say something of one connection or one server only: the next goes to another. After
 * those that may mean that all have too much to do, a random time that grows (full jitter), so that retries do not come as one wave.
 */
export function retryDelayMs(failure: TryFailure, tries: number, luck: number): number {
  if (failure === 'refused' || failure === 'stale' || failure === 'silent' || failure === 'held') return 0;
  return luck * Math.min(RETRY_PACE.capMs, RETRY_PACE.baseMs * 2 ** (tries - 1));
}

function no(because: Exclude<RetryDecision, { retry: true }>['because']): RetryDecision {
  return { retry: false, because };
}
