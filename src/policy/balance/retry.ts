/** How one try of a request at a backend ended without an answer. */
export type TryFailure =
  | 'refused' // no connection was made: nothing can have been processed
  | 'stale' // a kept connection ended before the first byte of an answer
  | 'empty' // a fresh connection ended before the first byte of an answer
  | 'silent' // the backend stopped answering while its peers went on
  | 'held' // the answer to another request on its connection did not end
  | 'timeout' // no answer within the route's time
  | 'malformed'; // the answer broke the protocol

/** What decides whether a failed try may be repeated elsewhere. */
export interface TryFacts {
  readonly failure: TryFailure;
  /** At least one byte of the final answer has gone to the client. */
  readonly answerStarted: boolean;
  /** At least one byte of the request has been handed to this backend. */
  readonly requestSent: boolean;
  /** GET, HEAD, OPTIONS, TRACE, PUT, DELETE (RFC 9110, 9.2.2). */
  readonly idempotent: boolean;
  /** Everything read of the request so far is kept. */
  readonly replayable: boolean;
  /** Tries made, this one included. */
  readonly tries: number;
  readonly budgetLeft: boolean;
  /** Where it differs from `MAX_TRIES`. */
  readonly maxTries?: number;
}

/** Tries of one request in all. */
export const MAX_TRIES = 3;

/** Why a request is tried again or not; the words are labels of metrics. */
export type RetryDecision =
  | { readonly retry: true }
  | { readonly retry: false; readonly because: 'answer-started' | 'not-safe' | 'not-kept' | 'tries' | 'budget' | 'final' };

/** a try is repeated only if that cannot do anything twice. */
export function decideRetry(facts: TryFacts): RetryDecision {
  if (facts.answerStarted) return no('answer-started');
  // A slow answer is worth no second one, and who breaks the protocol once would again.
  if (facts.failure === 'timeout' || facts.failure === 'malformed') return no('final');
  const nothingProcessed = facts.failure === 'refused' || !facts.requestSent;
  if (!nothingProcessed && !facts.idempotent) return no('not-safe');
  if (!facts.replayable) return no('not-kept');
  if (facts.tries >= (facts.maxTries ?? MAX_TRIES)) return no('tries');
  if (!facts.budgetLeft) return no('budget');
  return { retry: true };
}

function no(because: Exclude<RetryDecision, { retry: true }>['because']): RetryDecision {
  return { retry: false, because };
}
