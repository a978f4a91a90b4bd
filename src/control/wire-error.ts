import { toText } from '#base/bytes';
import { type ErrorCode, type ErrorDetails, PlatformError } from '#base/errors';

/** The HTTP status of each error. Several codes share one: the code in the body decides. */
export const HTTP_STATUS = {
  INVALID: 400,
  UNAUTHENTICATED: 401,
  DENIED: 403,
  NOT_FOUND: 404,
  TIMEOUT: 504,
  EXISTS: 409,
  CONFLICT: 409,
  LOCKED: 409,
  LEASE_LOST: 410,
  COMPACTED: 410,
  FUTURE_REVISION: 416,
  TOO_LARGE: 413,
  NOT_PLACED: 422,
  UNSUPPORTED: 501,
  LIMIT: 429,
  UNAVAILABLE: 503,
  ABORTED: 499,
  CORRUPT: 500,
  INTERNAL: 500,
} as const satisfies Record<ErrorCode, number>;

/** An error as the API sends it. */
export interface WireError {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails; readonly next?: string; readonly requestId?: string };
}

/** The body for an error. What is not a PlatformError is our own mistake: its text stays in the log. */
export function errorBody(error: unknown, requestId?: string): WireError {
  const known = error instanceof PlatformError ? error : new PlatformError('INTERNAL', 'Cannot answer, because of a mistake in Haven; its log says more');
  // `next` travels in the details of an error and beside them on the wire.
  const { next, ...details } = known.details;
  return {
    error: {
      code: known.code,
      message: known.message,
      details,
      ...(typeof next === 'string' ? { next } : {}),
      ...(requestId === undefined ? {} : { requestId }),
    },
  };
}

/** The error a body carries, or `undefined` if it carries none. A code this version does not know counts as INTERNAL. */
export function errorFromBody(body: unknown): PlatformError | undefined {
  if (!isRecord(body) || !isRecord(body['error'])) return undefined;
  const { code, message, details, next } = body['error'];
  if (typeof code !== 'string' || typeof message !== 'string') return undefined;
  const known = Object.hasOwn(HTTP_STATUS, code) ? (code as ErrorCode) : 'INTERNAL';
  return new PlatformError(known, message, { ...(isRecord(details) ? details : {}), ...(typeof next === 'string' ? { next } : {}) });
}

/** One JSON value to the end of the body; `undefined` for an empty one. INVALID if it is not JSON, TOO_LARGE above `maxBytes`. */
export async function readJsonBody(body: AsyncIterable<Uint8Array>, options: { readonly maxBytes: number }): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > options.maxBytes) {
      throw new PlatformError('TOO_LARGE', `Cannot read a body of more than ${options.maxBytes} bytes`, { maxBytes: options.maxBytes });
    }
    chunks.push(chunk);
  }
  return sizeBytes === 0 ? undefined : parseJson(joined(chunks, sizeBytes));
}

/** The values of a stream with one JSON value per line. INVALID for a line that is not JSON, TOO_LARGE for one that is too long. */
export async function* jsonLines(source: AsyncIterable<Uint8Array>, options: { readonly maxLineBytes: number }): AsyncGenerator<unknown, void, undefined> {
  // Chunks end anywhere, in the middle of a character too: bytes are joined before they become text.
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const part = chunk.subarray(start, end);
      const line = waitingBytes === 0 ? part : joined([...waiting, part], waitingBytes + part.length);
      waiting = [];
      waitingBytes = 0;
      start = end + 1;
      if (line.length > options.maxLineBytes) throw lineTooLong(options.maxLineBytes);
      if (line.length > 0) yield parseJson(line);
    }
    if (start === chunk.length) continue;
    // A copy, because a source may use its buffer again.
    waiting.push(chunk.slice(start));
    waitingBytes += chunk.length - start;
    if (waitingBytes > options.maxLineBytes) throw lineTooLong(options.maxLineBytes);
  }
  // What was cut off in the middle of a line is no line.
  if (waitingBytes > 0) throw new PlatformError('UNAVAILABLE', 'Cannot read the rest of a stream, because it ended in the middle of a line');
}

const NEWLINE = 10;

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(toText(bytes));
  } catch (cause) {
    throw new PlatformError('INVALID', 'Cannot read what was sent, because it is not JSON', {}, { cause });
  }
}

function joined(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const whole = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

function lineTooLong(maxLineBytes: number): PlatformError {
  return new PlatformError('TOO_LARGE', `Cannot read a line of more than ${maxLineBytes} bytes`, { maxLineBytes });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
