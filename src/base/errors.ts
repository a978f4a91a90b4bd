/** Every way an operation of Haven can fail that a caller may act on. */
export type ErrorCode =
  | 'INVALID' // the input breaks a rule; the same call can never succeed
  | 'NOT_FOUND'
  | 'EXISTS'
  | 'CONFLICT' // somebody else changed it first; read again and decide again
  | 'COMPACTED' // history was discarded; list again, then watch
  | 'FUTURE_REVISION'
  | 'LEASE_LOST' // the claim under which the caller acted has ended; stop acting
  | 'LOCKED' // another process owns it
  | 'TOO_LARGE'
  | 'LIMIT' // a bounded queue or counter is full; try later
  | 'UNAUTHENTICATED'
  | 'DENIED'
  | 'NOT_PLACED' // no node can take it
  | 'UNAVAILABLE' // nobody answered; the outcome of a write is unknown
  | 'TIMEOUT'
  | 'ABORTED' // the caller's own signal ended it
  | 'CORRUPT' // stored bytes do not match their checksum
  | 'UNSUPPORTED' // this machine or this version cannot do it
  | 'INTERNAL';

/** Facts of an error, safe to print and to send: never a secret. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** A failure the caller may act on. The message is a sentence without a full stop: what could not be done, to what, why. */
export class PlatformError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PlatformError';
    this.code = code;
    this.details = details;
  }
}

/** True when `error` is a PlatformError with this code. */
export function hasCode<Code extends ErrorCode>(error: unknown, code: Code): error is PlatformError & { readonly code: Code } {
  return error instanceof PlatformError && error.code === code;
}

/** The message of whatever was thrown, for joining into another sentence. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
