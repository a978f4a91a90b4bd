import { type ChallengeTable, isChallengePath } from '../tls/acme/challenge-table.ts';
import type { Head } from './head.ts';
import type { Origin } from './origin.ts';
import { type OwnAnswer, refusalAnswer } from './own-answer.ts';
import type { Service } from './service.ts';

const httpsPort = 443;

const MISDIRECTED: OwnAnswer = {
  status: 421,
  error: 'http_request_denied',
  end: 'PR',
  details: 'this host is served over a connection of its own, because its certificate or what it asks of clients differs',
};
const NO_CLIENT_CERTIFICATE: OwnAnswer = { status: 403, error: 'http_request_denied', end: 'PR', details: 'a certificate of the client is required here' };

/** The answer to an authority that looks whether a host is ours (RFC 8555, 8.3), before any route. Tokens that are not ours may be a backend's. */
export function answerChallenge(challenges: ChallengeTable, bytes: Buffer, { isGet, isHead, targetAt, targetEnd }: Head): OwnAnswer | undefined {
  const body = isGet || isHead ? challenges.answerTo(bytes, targetAt, targetEnd) : undefined;
  return body === undefined ? undefined : { status: 200, details: '', body, end: '--' };
}

/** The answer to a request that may not come in this way: by this listener, over this connection, without a certificate. For every request: takes no object. */
export function judgeEntry(origin: Origin, service: Service | undefined, bytes: Buffer, head: Head, wantsTls: boolean): OwnAnswer | undefined {
  const { tls, redirectPort, tlsRoutesPort } = origin;
  if (wantsTls && tls === undefined && tlsRoutesPort !== undefined) return redirect(bytes, head, tlsRoutesPort);
  // Who checks that we own a host asks without TLS (RFC 8555, 8.3).
  if (redirectPort !== undefined && !isChallengePath(bytes, head.targetAt, head.targetEnd)) return redirect(bytes, head, redirectPort);
  if (tls !== undefined && !tls.hosts.allows(bytes, head.hostAt, head.hostEnd)) return MISDIRECTED;
  const policy = service?.clientPolicy;
  if (policy === undefined || origin.internalPort !== undefined) return undefined;
  // The check that was made must be this service's: another route of the same host, or a connection from before a reload, may have had another.
  if (tls?.client !== undefined) return tls.choice.policy?.id === policy.id ? undefined : MISDIRECTED;
  return policy.isRequired ? NO_CLIENT_CERTIFICATE : undefined;
}

/** The same request again by HTTPS, with its method and body. Host and target were scanned: nothing in them ends a line. */
function redirect(bytes: Buffer, { hostAt, hostEnd, targetAt, targetEnd }: Head, port: number): OwnAnswer {
  if (hostEnd === hostAt) return refusalAnswer('no-host');
  const host = bytes.toString('latin1', hostAt, hostEnd).replace(/:\d*$/, '');
  const target = bytes.toString('latin1', targetAt, targetEnd);
  const path = target.startsWith('/') ? target : `/${target.startsWith('?') ? target : ''}`;
  return { status: 308, end: 'PR', details: 'use HTTPS', location: `https://${host}${port === httpsPort ? '' : `:${port}`}${path}` };
}
