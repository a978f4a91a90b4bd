/** What the API of a Haven cluster takes and answers. Moments are milliseconds since 1970, sizes bytes, durations milliseconds. */

/** Where the API's paths begin. */
export const API_PREFIX = '/v1';

/** Every way a request can fail that a caller may act on. */
export type ErrorCode =
  | 'INVALID'
  | 'NOT_FOUND'
  | 'EXISTS'
  | 'CONFLICT'
  | 'COMPACTED'
  | 'FUTURE_REVISION'
  | 'LEASE_LOST'
  | 'LOCKED'
  | 'TOO_LARGE'
  | 'LIMIT'
  | 'UNAUTHENTICATED'
  | 'DENIED'
  | 'NOT_PLACED'
  | 'UNAVAILABLE'
  | 'TIMEOUT'
  | 'ABORTED'
  | 'CORRUPT'
  | 'UNSUPPORTED'
  | 'INTERNAL';

/** The body of every answer that is not 2xx, and the last line of a stream that broke. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    /** What could not be done, to what, why: a sentence without a full stop. */
    readonly message: string;
    readonly details: Readonly<Record<string, unknown>>;
    /** What to do about it, often a command. */
    readonly next?: string;
    readonly requestId?: string;
  };
}

/** One mistake in an app's config. In `details.issues` of an INVALID deploy or plan. */
export interface ConfigIssue {
  /** Keys from the outside in: `['web', 'update', 'maxSurge']`. */
  readonly path: readonly string[];
  readonly message: string;
  /** The valid key or value that was probably meant. */
  readonly nearest?: string;
}

export interface HealthView {
  readonly ok: true;
}
