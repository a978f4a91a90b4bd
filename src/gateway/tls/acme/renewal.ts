import { type Backoff, backoffMs } from '#base/backoff';
import type { UnixMs } from '#world/world';

/** A certificate that is there. */
export interface Held {
  readonly validFrom: UnixMs;
  readonly validTo: UnixMs;
  /** By our clock, which may differ from the authority's. */
  readonly orderedAt: UnixMs;
}

/** Orders in a row that brought no certificate. */
export interface Failures {
  readonly count: number;
  /** The last of them. */
  readonly triedAt: UnixMs;
  /** Not to be tried before. */
  readonly retryAt: UnixMs;
  /** The authority wants it so. */
  readonly isAskedFor?: true;
}

const RETRY: Backoff = { baseMs: 60_000, capMs: 86_400_000, jitter: 0.25 };
/** Of its life: what is left is for trying again. */
const renewAt = 2 / 3;
/** Of its life: a new certificate that seems old already tells that our clock is wrong, and another would be as old. */
const soonestAgain = 1 / 3;

/**
 * When to order: at once what is missing or over, at two thirds of its life what is held; after failures not before it is time to try again. Never before `now`; whatever
 * the clock says, certificates that were just ordered are not ordered again.
 */
export function orderAt({ held, failures, now }: { readonly held: Held | undefined; readonly failures: Failures | undefined; readonly now: UnixMs }): UnixMs {
  // What is noted of the future was noted by a clock that was wrong.
  const retryAt = failures === undefined || failures.triedAt > now ? now : failures.retryAt;
  return Math.ceil(Math.max(now, held === undefined ? now : renewalAt(held, now), retryAt)) as UnixMs;
}

function renewalAt({ validFrom, validTo, orderedAt }: Held, now: UnixMs): number {
  const lifeMs = validTo - validFrom;
  const dueAt = validFrom + lifeMs * renewAt;
  return orderedAt > now ? dueAt : Math.max(dueAt, orderedAt + lifeMs * soonestAgain);
}

/** The failures after one more: exponential, with jitter so that gateways that failed together do not try together; not before the authority says. */
export function failedAgain(
  before: Failures | undefined,
  { now, luck, retryAfterMs = 0 }: { readonly now: UnixMs; readonly luck: number; readonly retryAfterMs?: number | undefined },
): Failures {
  const count = (before?.count ?? 0) + 1;
  const waitMs = Math.min(backoffMs(RETRY, count - 1, luck), RETRY.capMs);
  const retryAt = Math.ceil(now + Math.max(waitMs, retryAfterMs)) as UnixMs;
  return { count, triedAt: now, retryAt, ...(retryAfterMs > waitMs ? { isAskedFor: true } : {}) };
}

/** The same where somebody may have mended what was wrong: it is tried again soon, but no more often than at first, and not before the authority says. */
export function mayBeMended(failures: Failures): Failures {
  if (failures.isAskedFor === true) return failures;
  return { ...failures, retryAt: Math.min(failures.retryAt, failures.triedAt + RETRY.baseMs) as UnixMs };
}
