import { retryAfterSeconds } from '#policy/balance/rate-limit';
import type { TryFailure } from '#policy/balance/retry';
import { dateLine } from './clock.ts';
import { REFUSAL_STATUS, type Refusal } from './head.ts';
import type { Termination } from './request-account.ts';

const PHRASE: Readonly<Record<number, string>> = {
  200: 'OK',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

/** Why the gateway answers itself: the error types of RFC 9209 (Proxy-Status), 2.3. */
export type ProxyError =
  | 'http_request_error'
  | 'http_request_denied'
  | 'destination_not_found'
  | 'destination_unavailable'
  | 'connection_refused'
  | 'connection_terminated'
  | 'connection_limit_reached'
  | 'connection_timeout'
  | 'http_response_timeout'
  | 'http_protocol_error'
  | 'http_response_incomplete';

/** An answer of the gateway's own. `details` are our words, never a client's or a backend's. */
export interface OwnAnswer {
  readonly status: number;
  /** Absent: it is no failure. */
  readonly error?: ProxyError;
  readonly details: string;
  /** Absent: what the answer is, for a person. ASCII only. */
  readonly body?: string;
  /** For the access log. */
  readonly end: Termination;
  /** Where a redirect leads: a URL without what could end a line. */
  readonly location?: string;
  readonly retryAfterSeconds?: number;
  /** Where the next request begins on an HTTP/1.1 connection is not known any more. */
  readonly closes?: true;
  /** More field lines, each with its CRLF. */
  readonly lines?: string;
}

/** An own answer as HTTP/1.1 writes it. */
export function ownAnswerText(answer: OwnAnswer, options: { readonly closes: boolean; readonly isHead: boolean }): string {
  const body = ownAnswerBody(answer);
  const closes = options.closes ? 'Connection: close\r\n' : '';
  return `HTTP/1.1 ${answer.status} ${phraseOf(answer)}\r\n${ownAnswerLines(answer, body)}${closes}\r\n${options.isHead ? '' : body}`;
}

/** What an own answer says to a person. ASCII only. */
export function ownAnswerBody(answer: OwnAnswer): string {
  return answer.body ?? `${answer.status} ${phraseOf(answer)}: ${answer.details}\n`;
}

/** The fields of an own answer with this body, whatever the protocol: lines, each with its CRLF. */
export function ownAnswerLines({ error, details, location, retryAfterSeconds, lines = '' }: OwnAnswer, body: string): string {
  const own = [
    dateLine(),
    'Content-Type: text/plain; charset=utf-8\r\n',
    `Content-Length: ${body.length}\r\n`,
    error === undefined ? '' : `Proxy-Status: haven; error=${error}; details="${details}"\r\n`,
    location === undefined ? '' : `Location: ${location}\r\n`,
    retryAfterSeconds === undefined ? '' : `Retry-After: ${retryAfterSeconds}\r\n`,
  ];
  return own.join('') + lines;
}

function phraseOf({ status }: OwnAnswer): string {
  return PHRASE[status] ?? 'Error';
}

export const NO_ROUTE: OwnAnswer = { status: 404, error: 'destination_not_found', details: 'no route matches this host and path', end: 'PR' };
export const TOO_MANY_WAIT: OwnAnswer = {
  status: 503,
  error: 'destination_unavailable',
  details: 'no backend is usable and too many requests wait',
  end: 'RQ',
  retryAfterSeconds: 5,
};
export const BODY_TOO_LARGE: OwnAnswer = { status: 413, error: 'http_request_error', details: 'body-too-large', end: 'PR' };

/** To a request that breaks the protocol or a limit. */
export function refusalAnswer(refusal: Refusal): OwnAnswer {
  const end = refusal === 'head-timeout' || refusal === 'body-timeout' ? 'cR' : 'PR';
  return { status: REFUSAL_STATUS[refusal] ?? 400, error: 'http_request_error', details: refusal, end, closes: true };
}

/** all backends have all the requests they may have, and there is no more room to wait. */
export const ALL_FULL: OwnAnswer = {
  status: 503,
  error: 'connection_limit_reached',
  details: 'all backends are at their limit and too many requests wait',
  end: 'RQ',
  retryAfterSeconds: 1,
};

/** Over its rate (RFC 6585, 4). */
export function tooManyRequests(waitMs: number, lines: string): OwnAnswer {
  return { status: 429, error: 'http_request_denied', details: 'too many requests', end: 'PR', retryAfterSeconds: retryAfterSeconds(waitMs), lines };
}

export const NOBODY_IN_TIME: OwnAnswer = {
  status: 503,
  error: 'destination_unavailable',
  details: 'no backend became usable in time',
  end: 'sQ',
  retryAfterSeconds: 5,
};

/** where a service limits the time of a whole request. */
export function overdue(end: 'sQ' | 'sC' | 'sH' | 'cR'): OwnAnswer {
  return { status: 504, error: 'http_response_timeout', details: 'the request took longer than its service allows', end };
}

/** Its answer broke the protocol, or is beyond a limit. `refusal`: why, as it was counted. */
export function cannotPassOn(refusal: string): OwnAnswer {
  const why = refusal.replace(/^answer-/, '');
  return { status: 502, error: 'http_protocol_error', details: `the backend's answer cannot be passed on: ${why}`, end: 'SH' };
}

/** What a client is told when its last try failed. */
export function answerTo(failure: Exclude<TryFailure, 'malformed'>, wasSent: boolean, isIdempotent: boolean): OwnAnswer {
  switch (failure) {
    case 'timeout':
      return { status: 504, error: 'http_response_timeout', details: 'the backend did not answer in time', end: 'sH' };
    case 'exhausted':
      return { status: 503, error: 'connection_limit_reached', details: 'the gateway cannot open another connection', retryAfterSeconds: 1, end: 'RC' };
    case 'refused':
      return { status: 502, error: 'connection_refused', details: 'no backend accepted a connection; the request was not sent', end: 'SC' };
    default:
      return {
        status: 502,
        error: 'connection_terminated',
        details: wasSent && !isIdempotent ? 'request already sent; it may have been processed' : 'the backend ended the connection without an answer',
        end: failure === 'silent' ? 'sH' : 'SH',
      };
  }
}
