import type { ErrorBody, ErrorCode } from './wire.ts';

/** A refusal of the cluster, or that it could not be asked: `code` says what a program may do about it, `next` what a person may. */
export class HavenError extends Error {
  override readonly name = 'HavenError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly next: string | undefined;
  readonly requestId: string | undefined;

  constructor(error: Omit<ErrorBody['error'], 'details'> & { readonly details?: Readonly<Record<string, unknown>> }, options?: { readonly cause?: unknown }) {
    super(error.message, options);
    this.code = error.code;
    this.details = error.details ?? {};
    this.next = error.next;
    this.requestId = error.requestId;
  }
}

/** The error a body carries, or `undefined` if it carries none. */
export function errorOf(body: unknown): HavenError | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  const { error } = body as ErrorBody;
  return typeof error?.code === 'string' && typeof error.message === 'string' ? new HavenError(error) : undefined;
}
