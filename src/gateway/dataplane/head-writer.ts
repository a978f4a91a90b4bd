import type { ClientFields } from './about-client.ts';
import { BODY, type Head } from './head.ts';

/** Below this a loop is faster than the call of `Buffer.copy` and the view that it makes. */
const shortCopyBytes = 80;

const VERSION_11 = Buffer.from(' HTTP/1.1\r\n', 'latin1');
const ANSWER_11 = Buffer.from('HTTP/1.1', 'latin1');
const CHUNKED = Buffer.from('Transfer-Encoding: chunked\r\n', 'latin1');
const CLOSE = Buffer.from('Connection: close\r\n', 'latin1');
const UPGRADE = Buffer.from('Connection: Upgrade\r\nUpgrade: websocket\r\n', 'latin1');
// The one coding of a transfer that goes on (RFC 9110, 10.1.4).
const TRAILERS = Buffer.from('Connection: TE\r\nTE: trailers\r\n', 'latin1');
const LENGTH = Buffer.from('Content-Length: ', 'latin1');
const FORWARDED_HOST = Buffer.from('X-Forwarded-Host: ', 'latin1');
const HOST = Buffer.from('Host: ', 'latin1');
const CR = 13;
const LF = 10;
const SLASH = 47;
const QUESTION = 63;

/** What we say of the client of a request. */
export type AboutInHead = Pick<ClientFields, 'fields' | 'namesHost'>;

/** More than any line that is added to a head takes, together. */
export const HEAD_MARGIN_BYTES = 1024;

/**
 * Writes the head of a request as the backend gets it: the lines that are passed on, then the framing computed anew, then what we say about
 * the client and the id, with which the line for it ends. Returns the offset after it.
 */
export function writeRequestHead(out: Buffer, at: number, bytes: Buffer, head: Head, about: AboutInHead, id: Buffer): number {
  let to = at;
  // The usual request line is passed on as it came, in one piece with the fields after it.
  if (!head.isVersion10 && head.authorityEnd === 0) to = writeKept(out, to, bytes, head, head.start);
  else {
    to = put(out, to, bytes, head.start, head.methodEnd + 1);
    if (head.targetAt === head.targetEnd || bytes[head.targetAt] === QUESTION) out[to++] = SLASH;
    to = put(out, to, bytes, head.targetAt, head.targetEnd);
    to = put(out, to, VERSION_11, 0, VERSION_11.length);
    to = writeKept(out, to, bytes, head, head.fieldsAt);
  }
  if (head.upgradesToWebSocket) to = put(out, to, UPGRADE, 0, UPGRADE.length);
  else if (head.acceptsTrailers) to = put(out, to, TRAILERS, 0, TRAILERS.length);
  if (head.body === BODY.chunked) to = put(out, to, CHUNKED, 0, CHUNKED.length);
  else if (head.hasLength) to = writeLength(out, to, head.length);
  if (head.hostEnd !== 0 && !about.namesHost) {
    to = put(out, to, FORWARDED_HOST, 0, FORWARDED_HOST.length);
    to = put(out, to, bytes, head.hostAt, head.hostEnd);
    out[to++] = CR;
    out[to++] = LF;
  } else if (head.hostEnd === 0) to += HOST.copy(out, to) + writeEmptyLine(out, to + HOST.length);
  to = put(out, to, about.fields, 0, about.fields.length);
  to = put(out, to, id, 0, id.length);
  return to;
}

/** Writes the head of an answer as the client gets it. `closes`: the connection ends after it. */
export function writeAnswerHead(out: Buffer, at: number, bytes: Buffer, head: Head, framing: AnswerFraming, closes: boolean): number {
  let to = put(out, at, ANSWER_11, 0, ANSWER_11.length);
  to = writeKept(out, to, bytes, head, head.start + 8);
  if (framing === 'chunked') to = put(out, to, CHUNKED, 0, CHUNKED.length);
  else if (framing === 'length') to = writeLength(out, to, head.length);
  else if (framing === 'upgrade') to = put(out, to, UPGRADE, 0, UPGRADE.length);
  if (closes) to = put(out, to, CLOSE, 0, CLOSE.length);
  out[to++] = CR;
  out[to++] = LF;
  return to;
}

/** How the end of an answer's body is told to the client; `none`: by its status, or by the end of the connection. */
export type AnswerFraming = 'none' | 'length' | 'chunked' | 'upgrade';

/** Writes the size line of a chunk; it takes `chunkSizeBytes(size)`. */
export function writeChunkSize(out: Buffer, at: number, size: number): number {
  const to = at + chunkSizeBytes(size);
  out[to - 1] = LF;
  out[to - 2] = CR;
  for (let i = to - 3, left = size; i >= at; i--, left = Math.floor(left / 16)) out[i] = hexDigit(left % 16);
  return to;
}

/** Digits of the size and CRLF. */
export function chunkSizeBytes(size: number): number {
  return (size < 0x10 ? 1 : size < 0x100 ? 2 : size < 0x1000 ? 3 : size < 0x10000 ? 4 : size < 0x100000 ? 5 : 8) + 2;
}

export function hexDigit(value: number): number {
  return value < 10 ? 48 + value : 87 + value;
}

/** Copies `[from, end)` and returns the offset after it. */
export function put(out: Buffer, at: number, bytes: Uint8Array, from: number, end: number): number {
  const length = end - from;
  if (length > shortCopyBytes) (bytes as Buffer).copy(out, at, from, end);
  else for (let i = 0; i < length; i++) out[at + i] = bytes[from + i] as number;
  return at + length;
}

function writeKept(out: Buffer, at: number, bytes: Buffer, head: Head, from: number): number {
  const { dropped, droppedCount } = head;
  let to = at;
  let keptFrom = from;
  for (let i = 0; i < droppedCount; i += 2) {
    const droppedFrom = dropped[i] as number;
    if (droppedFrom > keptFrom) to = put(out, to, bytes, keptFrom, droppedFrom);
    keptFrom = dropped[i + 1] as number;
  }
  const end = head.end - 2;
  return end > keptFrom ? put(out, to, bytes, keptFrom, end) : to;
}

function writeLength(out: Buffer, at: number, length: number): number {
  let to = put(out, at, LENGTH, 0, LENGTH.length);
  let digits = 1;
  for (let bound = 10; bound <= length; bound *= 10) digits++;
  for (let i = to + digits - 1, left = length; i >= to; i--, left = Math.floor(left / 10)) out[i] = 48 + (left % 10);
  to += digits;
  out[to++] = CR;
  out[to++] = LF;
  return to;
}

function writeEmptyLine(out: Buffer, at: number): number {
  out[at] = CR;
  out[at + 1] = LF;
  return 2;
}
