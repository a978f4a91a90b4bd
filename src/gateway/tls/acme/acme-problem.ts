import { type ErrorCode, PlatformError } from '#base/errors';

const TYPE_PREFIX = 'urn:ietf:params:acme:error:';
const mostDetail = 300;
/** Longer is not believed: an authority that asks for more is asked again after this. */
const mostRetryAfterMs = 7 * 86_400_000;

/** How an order ended; labels of a metric. */
export type OrderResult = 'issued' | 'renewed' | 'refused' | 'limited' | 'unreachable' | 'failed';

/** What the other side says went wrong (RFC 7807; RFC 8555, 6.7), in our words where it says nothing. `type` without its prefix. */
export interface AcmeProblem {
  readonly type: string;
  readonly detail: string;
}

/** The problem in an answer's body, or in an order, authorization or challenge. */
export function problemIn(value: unknown, otherwise: string): AcmeProblem {
  const { type, detail } = (typeof value === 'object' && value !== null ? value : {}) as { readonly type?: unknown; readonly detail?: unknown };
  return {
    type: typeof type === 'string' ? printable(type.startsWith(TYPE_PREFIX) ? type.slice(TYPE_PREFIX.length) : type) : '',
    detail: typeof detail === 'string' ? printable(detail) : otherwise,
  };
}

/** UNAVAILABLE if the authority is not there or not well, LIMIT if it wants to be left alone for a while, else DENIED. */
export function acmeError(
  what: string,
  problem: AcmeProblem,
  about: { readonly status?: number; readonly retryAfterMs?: number | undefined } = {},
): PlatformError {
  const { status = 0, retryAfterMs } = about;
  const code: ErrorCode = problem.type === 'rateLimited' || status === 429 ? 'LIMIT' : status >= 500 ? 'UNAVAILABLE' : 'DENIED';
  const type = problem.type === '' ? '' : ` (${problem.type})`;
  const details = { type: problem.type, status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return new PlatformError(code, `Cannot ${what}, because the authority says: ${problem.detail}${type}`, details);
}

/** What a failure is counted as. */
export function resultOf(error: unknown): OrderResult {
  if (!(error instanceof PlatformError)) return 'failed';
  // The disk may be full, or not ours: that is no word of the authority's.
  const isAuthoritys = error.details['type'] !== undefined;
  if (error.code === 'DENIED' && isAuthoritys) return 'refused';
  if (error.code === 'LIMIT' && isAuthoritys) return 'limited';
  return error.code === 'UNAVAILABLE' || error.code === 'TIMEOUT' ? 'unreachable' : 'failed';
}

/** How long to wait by a Retry-After field, in seconds or as a date (RFC 9110, 10.2.3). */
export function retryAfterMs(field: string | undefined, now: number): number | undefined {
  if (field === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(field) ? Number(field) * 1_000 : Date.parse(field) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), mostRetryAfterMs);
}

/** What others wrote, fit for a line of a log. */
function printable(text: string): string {
  return text.slice(0, mostDetail).replace(/[^\x20-\x7e]+/g, ' ');
}
