import { isName, nameBytes, TARGET, TOKEN } from './byte-classes.ts';
import { BODY, type Head, SCAN, type ScanResult } from './head.ts';
import { LIMITS } from './limits.ts';
import { isHost, scanFields } from './scan-fields.ts';

const CR = 13;
const LF = 10;
const SPACE = 32;
const SLASH = 47;
const QUESTION = 63;
const longestMethod = 24;

const VERSION = nameBytes('HTTP/1.1\r\n');
const HTTP = nameBytes('http://');
const HTTPS = nameBytes('https://');

/**
 * Scans the head of a request in `bytes[head.start, end)`. After `incomplete`, call again with the same bytes and more behind
 * them; after `bad`, `head.refusal` says why.
 */
export function scanRequest(bytes: Buffer, end: number, head: Head): ScanResult {
  if (head.resumeAt < 0) {
    const line = scanRequestLine(bytes, end, head);
    if (line !== SCAN.complete) return line;
  }
  const fields = scanFields(bytes, end, head, true);
  return fields === SCAN.complete ? judge(bytes, head) : fields;
}

function scanRequestLine(bytes: Buffer, end: number, head: Head): ScanResult {
  let at = head.start;
  // Some clients send an extra empty line after a body (RFC 9112, 2.2): one is let pass.
  if (bytes[at] === CR) {
    if (at + 1 >= end) return SCAN.incomplete;
    if (bytes[at + 1] !== LF) return head.refuse('bad-line-end');
    at += 2;
  }
  const lineAt = at;
  while (at < end && TOKEN[bytes[at] as number] !== 0) at++;
  const methodLength = at - lineAt;
  if (methodLength > longestMethod) return head.refuse('bad-method');
  if (at >= end) return SCAN.incomplete;
  if (methodLength === 0 || bytes[at] !== SPACE) return head.refuse(bytes[at] === LF ? 'bad-line-end' : 'bad-method');
  const targetAt = at + 1;
  at = targetAt;
  while (at < end && TARGET[bytes[at] as number] === 1) at++;
  if (at - lineAt > LIMITS.requestLineBytes) return head.refuse('line-too-long');
  if (at >= end) return SCAN.incomplete;
  if (at === targetAt || bytes[at] !== SPACE) return head.refuse('bad-target');
  const version = scanVersion(bytes, at + 1, end, head);
  if (version !== SCAN.complete) return version;
  head.start = lineAt;
  head.methodEnd = targetAt - 1;
  head.targetAt = targetAt;
  head.targetEnd = at;
  head.fieldsAt = at + 11;
  head.resumeAt = head.fieldsAt;
  head.beginFields();
  readMethod(bytes, lineAt, methodLength, head);
  return readTarget(bytes, head);
}

function scanVersion(bytes: Buffer, at: number, end: number, head: Head): ScanResult {
  for (let i = 0; i < 10; i++) {
    if (at + i >= end) return SCAN.incomplete;
    const byte = bytes[at + i];
    if (byte === VERSION[i]) continue;
    const isDigit = byte !== undefined && byte >= 48 && byte <= 57;
    if ((i === 5 || i === 7) && isDigit) continue;
    return head.refuse(i >= 8 && byte === LF ? 'bad-line-end' : 'bad-version');
  }
  if (bytes[at + 5] !== 49 || (bytes[at + 7] as number) > 49) return head.refuse('unsupported-version');
  head.isVersion10 = bytes[at + 7] === 48;
  return SCAN.complete;
}

function readMethod(bytes: Buffer, at: number, length: number, head: Head): void {
  const first = bytes[at];
  const second = bytes[at + 1];
  head.isGet = length === 3 && first === 71 && second === 69 && bytes[at + 2] === 84;
  head.isHead = length === 4 && first === 72 && second === 69 && bytes[at + 2] === 65 && bytes[at + 3] === 68;
  head.isConnect = length === 7 && first === 67 && bytes.toString('latin1', at, at + length) === 'CONNECT';
  head.isIdempotent = head.isGet || head.isHead || (length > 2 && length < 8 && IDEMPOTENT.has(bytes.toString('latin1', at, at + length)));
}

const IDEMPOTENT = new Set(['PUT', 'DELETE', 'OPTIONS', 'TRACE']);

function readTarget(bytes: Buffer, head: Head): ScanResult {
  const { targetAt, targetEnd } = head;
  head.authorityAt = 0;
  head.authorityEnd = 0;
  // Whatever its target: a backend that grants it would turn the connection into a tunnel that we take for a body.
  if (head.isConnect) return head.refuse('connect');
  if (bytes[targetAt] === SLASH) return SCAN.complete;
  const method = bytes.toString('latin1', head.start, head.methodEnd);
  if (bytes[targetAt] === 42) return targetEnd - targetAt === 1 && method === 'OPTIONS' ? SCAN.complete : head.refuse('bad-target');
  const scheme = isName(bytes, targetAt, HTTP) ? HTTP.length : isName(bytes, targetAt, HTTPS) ? HTTPS.length : 0;
  if (scheme === 0) return head.refuse('bad-target');
  let at = targetAt + scheme;
  head.authorityAt = at;
  while (at < targetEnd && bytes[at] !== SLASH && bytes[at] !== QUESTION) at++;
  head.authorityEnd = at;
  if (!isHost(bytes, head.authorityAt, at)) return head.refuse('bad-target');
  head.targetAt = at;
  return SCAN.complete;
}

function judge(bytes: Buffer, head: Head): ScanResult {
  if (head.hostEnd === 0) {
    if (!head.isVersion10 || head.authorityEnd !== 0) return head.refuse('no-host');
  } else if (head.authorityEnd !== 0 && !sameHost(bytes, head)) return head.refuse('host-mismatch');
  // A list such as "websocket, h2c" is not offered on; a lone "h2c" is dropped and answered as a plain request.
  if (head.hasUpgrade && head.nominatesUpgrade && head.upgradesToWebSocket) {
    const isProper = head.isGet && !head.isVersion10 && !head.hasLength && !head.hasCoding && head.hasSocketKey && head.hasSocketVersion;
    if (!isProper) return head.refuse('bad-upgrade');
  } else head.upgradesToWebSocket = false;
  if (head.body === BODY.length && head.length > LIMITS.bodyBytes) return head.refuse('body-too-large');
  return SCAN.complete;
}

function sameHost(bytes: Buffer, head: Head): boolean {
  const host = bytes.toString('latin1', head.hostAt, head.hostEnd).toLowerCase();
  return host === bytes.toString('latin1', head.authorityAt, head.authorityEnd).toLowerCase();
}
