import { HOST, isName, nameBytes, TOKEN, VALUE } from './byte-classes.ts';
import { dropNominated, readCoding, readConnection, readLength, trimEnd } from './field-values.ts';
import { BODY, type Head, SCAN, type ScanResult } from './head.ts';
import { LIMITS } from './limits.ts';

const CR = 13;
const LF = 10;
const COLON = 58;
const SPACE = 32;
const TAB = 9;

const TE = nameBytes('te');
const DATE = nameBytes('date');
const HOST_NAME = nameBytes('host');
const EXPECT = nameBytes('expect');
const UPGRADE = nameBytes('upgrade');
const TRAILER = nameBytes('trailer');
const FORWARDED = nameBytes('forwarded');
const X_REAL_IP = nameBytes('x-real-ip');
const CONNECTION = nameBytes('connection');
const KEEP_ALIVE = nameBytes('keep-alive');
const CONTENT_TYPE = nameBytes('content-type');
const X_REQUEST_ID = nameBytes('x-request-id');
const X_FORWARDED = nameBytes('x-forwarded-');
const CONTENT_LENGTH = nameBytes('content-length');
const HTTP2_SETTINGS = nameBytes('http2-settings');
const PROXY_CONNECTION = nameBytes('proxy-connection');
const TRANSFER_ENCODING = nameBytes('transfer-encoding');
const SEC_WEBSOCKET_KEY = nameBytes('sec-websocket-key');
const PROXY_AUTHENTICATE = nameBytes('proxy-authenticate');
const PROXY_AUTHORIZATION = nameBytes('proxy-authorization');
const SEC_WEBSOCKET_VERSION = nameBytes('sec-websocket-version');
const TRAILERS = nameBytes('trailers');
const EVENT_STREAM = nameBytes('text/event-stream');
const CONTINUE = nameBytes('100-continue');

/** What proxies say of a client's certificate, each in its own way; ours is X-Forwarded-Client-Cert, and nobody else may say it. */
const CLIENT_CERTIFICATE = /^(?:client-cert(?:-chain)?|(?:x-)?ssl-client-.+|x-client-(?:cert|verify|dn|subject|issuer|serial|fingerprint).*|x-tls-client-.+)$/;
const CLIENT = nameBytes('client-cert');
const X_CLIENT = nameBytes('x-client-');
const X_SSL = nameBytes('x-ssl-client-');
const SSL = nameBytes('ssl-client-');
const X_TLS = nameBytes('x-tls-client-');

/** Names that a platform which reads `_` as `-` would take for one it trusts. */
const TRUSTED_LOOKALIKE =
  /^(?:x-forwarded-.*|forwarded|x-real-ip|x-request-id|host|content-length|transfer-encoding|connection|authorization|cookie|proxy-.*|client-cert.*|x-client-cert.*|x-client-verify|(?:x-)?ssl-client-.*)$/;

/**
 * Scans field lines in place until the empty line, strictly: whatever two parsers could read differently is refused. Goes on at
 * `head.resumeAt` when called again with more bytes at the same place.
 */
export function scanFields(bytes: Buffer, end: number, head: Head, isRequest: boolean): ScanResult {
  let at = head.resumeAt;
  for (;;) {
    if (at >= end) return incomplete(head, at, end);
    const lineAt = at;
    let byte = bytes[at] as number;
    if (byte === CR) {
      if (at + 1 >= end) return incomplete(head, lineAt, end);
      if (bytes[at + 1] !== LF) return head.refuse('bad-line-end');
      head.end = at + 2;
      break;
    }
    let odd = 0;
    for (let kind = TOKEN[byte] as number; kind !== 0; kind = TOKEN[byte] as number) {
      odd |= kind;
      if (++at >= end) return incomplete(head, lineAt, end);
      byte = bytes[at] as number;
    }
    const nameLength = at - lineAt;
    if (nameLength === 0 || byte !== COLON) return head.refuse(byte === LF || byte === CR ? 'bad-line-end' : 'bad-field-name');
    at++;
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
    const valueAt = at;
    while (at < end && VALUE[bytes[at] as number] === 1) at++;
    if (at >= end) return incomplete(head, lineAt, end);
    if (bytes[at] !== CR) return head.refuse(bytes[at] === LF ? 'bad-line-end' : 'bad-field-value');
    if (at + 1 >= end) return incomplete(head, lineAt, end);
    if (bytes[at + 1] !== LF) return head.refuse('bad-line-end');
    const valueEnd = at;
    at += 2;
    if (at - lineAt > LIMITS.fieldBytes) return head.refuse('field-too-large');
    if (++head.fields > LIMITS.fields) return head.refuse('too-many-fields');
    const result = isRequest
      ? requestField(bytes, head, lineAt, nameLength, valueAt, valueEnd, at, odd)
      : answerField(bytes, head, lineAt, nameLength, valueAt, valueEnd, at);
    if (result !== SCAN.complete) return result;
    head.resumeAt = at;
  }
  if (head.end - head.start > LIMITS.headBytes) return head.refuse('head-too-large');
  if (head.hasCoding && head.hasLength) return head.refuse('length-and-coding');
  if (head.hasCoding && head.isVersion10) return head.refuse('coding-not-allowed');
  dropNominated(bytes, head);
  return SCAN.complete;
}

function incomplete(head: Head, lineAt: number, end: number): ScanResult {
  head.resumeAt = lineAt;
  if (end - head.start > LIMITS.headBytes) return head.refuse('head-too-large');
  if (end - lineAt > LIMITS.fieldBytes) return head.refuse('field-too-large');
  return SCAN.incomplete;
}

function requestField(bytes: Buffer, head: Head, at: number, nameLength: number, valueAt: number, valueEnd: number, next: number, odd: number): ScanResult {
  if (odd > 1) head.hasOddNames = true;
  if (
    (odd & 2) !== 0 &&
    TRUSTED_LOOKALIKE.test(
      bytes
        .toString('latin1', at, at + nameLength)
        .toLowerCase()
        .replaceAll('_', '-'),
    )
  )
    head.drop(at, next);
  switch (nameLength) {
    case 2:
      if (isName(bytes, at, TE)) {
        const end = trimEnd(bytes, valueAt, valueEnd);
        if (end - valueAt === TRAILERS.length && isName(bytes, valueAt, TRAILERS)) head.acceptsTrailers = true;
        head.drop(at, next);
      }
      break;
    case 4:
      if (isName(bytes, at, HOST_NAME)) return hostField(bytes, head, valueAt, valueEnd);
      break;
    case 6:
      if (isName(bytes, at, EXPECT)) {
        const end = trimEnd(bytes, valueAt, valueEnd);
        if (end - valueAt === CONTINUE.length && isName(bytes, valueAt, CONTINUE)) head.expectsContinue = true;
        else head.drop(at, next);
      }
      break;
    case 7:
      if (isName(bytes, at, UPGRADE)) return upgradeField(bytes, head, at, valueAt, valueEnd, next);
      break;
    case 9:
      if (isName(bytes, at, FORWARDED) || isName(bytes, at, X_REAL_IP)) head.drop(at, next);
      break;
    case 10:
      if (isName(bytes, at, CONNECTION)) {
        if (!readConnection(bytes, valueAt, trimEnd(bytes, valueAt, valueEnd), head)) return head.refuse('bad-connection');
        head.drop(at, next);
      } else if (isName(bytes, at, KEEP_ALIVE)) head.drop(at, next);
      break;
    case 12:
      if (isName(bytes, at, X_REQUEST_ID)) head.drop(at, next);
      break;
    case 14:
      if (isName(bytes, at, CONTENT_LENGTH)) return lengthField(bytes, head, at, valueAt, valueEnd, next);
      if (isName(bytes, at, HTTP2_SETTINGS)) head.drop(at, next);
      break;
    case 16:
      if (isName(bytes, at, PROXY_CONNECTION)) head.drop(at, next);
      break;
    case 17:
      if (isName(bytes, at, TRANSFER_ENCODING)) return codingField(bytes, head, at, valueAt, valueEnd, next);
      if (isName(bytes, at, SEC_WEBSOCKET_KEY)) head.hasSocketKey = true;
      break;
    case 18:
      if (isName(bytes, at, PROXY_AUTHENTICATE)) head.drop(at, next);
      break;
    case 19:
      if (isName(bytes, at, PROXY_AUTHORIZATION)) head.drop(at, next);
      break;
    case 21:
      if (isName(bytes, at, SEC_WEBSOCKET_VERSION)) head.hasSocketVersion = true;
      break;
  }
  const first = (bytes[at] as number) | 0x20;
  if (nameLength > 12 && first === 0x78 && isName(bytes, at, X_FORWARDED)) head.drop(at, next);
  else if (nameLength > 9 && isClientCertificateField(bytes, at, nameLength, first)) head.drop(at, next);
  return SCAN.complete;
}

function isClientCertificateField(bytes: Buffer, at: number, nameLength: number, first: number): boolean {
  const isLike =
    first === 0x78
      ? isName(bytes, at, X_CLIENT) || isName(bytes, at, X_SSL) || isName(bytes, at, X_TLS)
      : first === 0x63
        ? isName(bytes, at, CLIENT)
        : first === 0x73 && isName(bytes, at, SSL);
  return isLike && CLIENT_CERTIFICATE.test(bytes.toString('latin1', at, at + nameLength).toLowerCase());
}

function answerField(bytes: Buffer, head: Head, at: number, nameLength: number, valueAt: number, valueEnd: number, next: number): ScanResult {
  switch (nameLength) {
    case 4:
      if (isName(bytes, at, DATE)) head.hasDate = true;
      break;
    case 7:
      if (isName(bytes, at, UPGRADE)) return upgradeField(bytes, head, at, valueAt, valueEnd, next);
      if (isName(bytes, at, TRAILER)) head.sendsTrailers = true;
      break;
    case 10:
      if (isName(bytes, at, CONNECTION)) {
        if (!readConnection(bytes, valueAt, trimEnd(bytes, valueAt, valueEnd), head)) return head.refuse('bad-connection');
        head.drop(at, next);
      } else if (isName(bytes, at, KEEP_ALIVE)) {
        const hint = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(bytes.toString('latin1', valueAt, valueEnd));
        if (hint) head.keepAliveSeconds = Number(hint[1]);
        head.drop(at, next);
      }
      break;
    case 12:
      if (isName(bytes, at, CONTENT_TYPE) && valueEnd - valueAt >= EVENT_STREAM.length && isName(bytes, valueAt, EVENT_STREAM)) head.isEventStream = true;
      break;
    case 14:
      if (isName(bytes, at, CONTENT_LENGTH)) return lengthField(bytes, head, at, valueAt, valueEnd, next);
      break;
    case 16:
      if (isName(bytes, at, PROXY_CONNECTION)) head.drop(at, next);
      break;
    case 17:
      if (isName(bytes, at, TRANSFER_ENCODING)) return codingField(bytes, head, at, valueAt, valueEnd, next);
      break;
    case 18:
      if (isName(bytes, at, PROXY_AUTHENTICATE)) head.drop(at, next);
      break;
  }
  return SCAN.complete;
}

function hostField(bytes: Buffer, head: Head, valueAt: number, valueEnd: number): ScanResult {
  if (head.hostEnd !== 0) return head.refuse('many-hosts');
  const end = trimEnd(bytes, valueAt, valueEnd);
  if (!isHost(bytes, valueAt, end)) return head.refuse('bad-host');
  head.hostAt = valueAt;
  head.hostEnd = end;
  return SCAN.complete;
}

/** A host with an optional port, as it may stand in a Host field or an authority. Not empty. */
export function isHost(bytes: Buffer, from: number, to: number): boolean {
  if (from === to) return false;
  let colonAt = -1;
  let at = from;
  if (bytes[from] === 0x5b) {
    at = bytes.indexOf(0x5d, from);
    if (at < 0 || at >= to) return false;
    for (let i = from + 1; i < at; i++) if (bytes[i] === 0x5b || HOST[bytes[i] as number] === 0) return false;
    at++;
    if (at === to) return at > from + 3;
    if (bytes[at] !== COLON) return false;
  }
  for (; at < to; at++) {
    const byte = bytes[at] as number;
    if (HOST[byte] === 0 || byte === 0x5b || byte === 0x5d) return false;
    if (colonAt >= 0 && (byte < 48 || byte > 57)) return false;
    if (byte === COLON) colonAt = at;
  }
  return colonAt !== from && (colonAt < 0 || to - colonAt <= 6);
}

function lengthField(bytes: Buffer, head: Head, at: number, valueAt: number, valueEnd: number, next: number): ScanResult {
  if (head.hasLength) return head.refuse('many-lengths');
  const length = readLength(bytes, valueAt, trimEnd(bytes, valueAt, valueEnd));
  if (length < 0) return head.refuse('bad-length');
  head.hasLength = true;
  head.length = length;
  if (length > 0) head.body = BODY.length;
  head.drop(at, next);
  return SCAN.complete;
}

function codingField(bytes: Buffer, head: Head, at: number, valueAt: number, valueEnd: number, next: number): ScanResult {
  if (head.hasCoding) return head.refuse('bad-coding');
  const coding = readCoding(bytes, valueAt, trimEnd(bytes, valueAt, valueEnd));
  if (coding !== 'chunked') return head.refuse(coding === 'bad' ? 'bad-coding' : 'unknown-coding');
  head.hasCoding = true;
  head.body = BODY.chunked;
  head.drop(at, next);
  return SCAN.complete;
}

function upgradeField(bytes: Buffer, head: Head, at: number, valueAt: number, valueEnd: number, next: number): ScanResult {
  head.upgradesToWebSocket = !head.hasUpgrade && bytes.toString('latin1', valueAt, trimEnd(bytes, valueAt, valueEnd)).toLowerCase() === 'websocket';
  head.hasUpgrade = true;
  head.drop(at, next);
  return SCAN.complete;
}
