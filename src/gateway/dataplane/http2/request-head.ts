import { isTrailer } from '../chunked-reader.ts';

/** Of HTTP/1.1 connections, and so malformed in HTTP/2 (RFC 9113, 8.2.2). */
const CONNECTION_SPECIFIC = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings']);

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
// Only what latin1 can write: a character beyond it would lose its upper bits and could become the end of a line.
const FIELD_VALUE = /^(?![ \t])[\t -~\x80-\xff]*$/;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VISIBLE = /^[!-~\x80-\xff]+$/;
/** Methods whose requests are expected to have a body: a length of 0 tells that there is none (RFC 9110, 8.6). */
const HAS_A_BODY = new Set(['POST', 'PUT', 'PATCH']);

/** Pseudo-header fields of a request (RFC 9113, 8.3.1). */
interface Pseudo {
  ':method'?: string;
  ':scheme'?: string;
  ':authority'?: string;
  ':path'?: string;
}

/**
 * The head of an HTTP/2 request as HTTP/1.1 writes it, in latin1, to be scanned like any other; `undefined` if the request is malformed (RFC 9113, 8.1.1), which
 * is an error of its stream. `fields` are names and values in turn. `endsStream`: no body follows.
 *
 * What two protocols could read differently is refused here: nothing in a name, a value or a pseudo-header field can end a line, and the body's framing is
 * that of the stream.
 */
export function requestHead(fields: readonly string[], endsStream: boolean): string | undefined {
  const pseudo: Pseudo = {};
  let at = 0;
  for (; at < fields.length && fields[at]?.startsWith(':'); at += 2) if (!takePseudo(pseudo, fields[at] as string, fields[at + 1] as string)) return undefined;
  const line = requestLine(pseudo);
  if (line === undefined) return undefined;
  let host: string | undefined;
  let length: string | undefined;
  let cookie: string | undefined;
  let lines = '';
  for (; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    // A pseudo-header field among the others is no name either.
    if (!FIELD_NAME.test(name) || !isFieldValue(value) || CONNECTION_SPECIFIC.has(name)) return undefined;
    if (name === 'te' && value !== 'trailers') return undefined;
    if (name === 'host') {
      if (host !== undefined) return undefined;
      host = value;
    } else if (name === 'content-length') {
      if (length !== undefined || (endsStream && value !== '0')) return undefined;
      length = value;
    } else if (name === 'cookie') cookie = cookie === undefined ? value : `${cookie}; ${value}`;
    else lines += `${name}: ${value}\r\n`;
  }
  // What the request is sent to by, not what it says: a Host that differs is dropped.
  const authority = pseudo[':authority'] ?? host;
  if (authority !== undefined) lines += `host: ${authority}\r\n`;
  if (cookie !== undefined) lines += `cookie: ${cookie}\r\n`;
  return `${line}${lines}${framing(pseudo[':method'] as string, length, endsStream)}\r\n`;
}

/** Those trailers of a request that are passed on, as field lines; `undefined` if they are malformed. */
export function requestTrailers(fields: readonly string[]): string | undefined {
  let lines = '';
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (!FIELD_NAME.test(name) || !isFieldValue(value) || CONNECTION_SPECIFIC.has(name)) return undefined;
    if (isTrailer(name)) lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

function isFieldValue(value: string): boolean {
  return FIELD_VALUE.test(value) && !value.endsWith(' ') && !value.endsWith('\t');
}

/** False if the field is unknown, there once more or has an impossible value. */
function takePseudo(pseudo: Pseudo, name: string, value: string): boolean {
  switch (name) {
    case ':method':
      if (!METHOD.test(value)) return false;
      break;
    case ':scheme':
      if (value !== 'http' && value !== 'https') return false;
      break;
    case ':path':
    case ':authority':
      if (!VISIBLE.test(value)) return false;
      break;
    default:
      return false;
  }
  if (pseudo[name] !== undefined) return false;
  pseudo[name] = value;
  return true;
}

function requestLine({ ':method': method, ':scheme': scheme, ':path': path, ':authority': authority }: Pseudo): string | undefined {
  if (method === undefined) return undefined;
  if (method === 'CONNECT') return path === undefined && scheme === undefined && authority !== undefined ? `CONNECT ${authority} HTTP/1.1\r\n` : undefined;
  if (scheme === undefined || path === undefined) return undefined;
  if (!path.startsWith('/') && !(path === '*' && method === 'OPTIONS')) return undefined;
  return `${method} ${path} HTTP/1.1\r\n`;
}

function framing(method: string, length: string | undefined, endsStream: boolean): string {
  if (length !== undefined) return `content-length: ${length}\r\n`;
  if (!endsStream) return 'transfer-encoding: chunked\r\n';
  return HAS_A_BODY.has(method) ? 'content-length: 0\r\n' : '';
}
