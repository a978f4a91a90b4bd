import { randomBytes } from 'node:crypto';
import { ChallengeTable } from './acme/challenge-table.ts';
import type { TicketSecrets } from './ticket-keys.ts';

const secretBytes = 32;

/** What all TLS listeners of one worker share. */
export class TlsState {
  /** The parent's, the same in every worker; one of its own until they come. */
  ticketSecrets: TicketSecrets = [randomBytes(secretBytes).toString('base64')];
  /** What authorities are shown that look whether our hosts are ours. */
  readonly challenges = new ChallengeTable();
  /** By kind: `full` or `resumed`. */
  readonly handshakes = { full: 0, resumed: 0 };
  readonly errors = new Map<HandshakeError, number>();

  countError(reason: HandshakeError): void {
    this.errors.set(reason, (this.errors.get(reason) ?? 0) + 1);
  }
}

/** Why a handshake failed; labels of a metric. */
export type HandshakeError =
  | 'timeout'
  | 'not-tls'
  | 'bad-hello'
  | 'unknown-name'
  | 'no-common-version'
  | 'no-common-cipher'
  | 'no-common-protocol'
  | 'no-client-certificate'
  | 'bad-client-certificate'
  | 'refused-by-client'
  | 'reset'
  | 'bad-certificate'
  | 'other';

/** The reason in what Node and OpenSSL say. */
export function reasonOf(error: NodeJS.ErrnoException): HandshakeError {
  const code = error.code ?? '';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'reset';
  if (/UNSUPPORTED_PROTOCOL|WRONG_VERSION|VERSION_TOO_LOW|NO_PROTOCOLS_AVAILABLE/.test(code)) return 'no-common-version';
  if (/NO_SHARED_CIPHER|NO_SUITABLE|NO_SHARED_GROUP/.test(code)) return 'no-common-cipher';
  if (/NO_APPLICATION_PROTOCOL/.test(code)) return 'no-common-protocol';
  if (/PEER_DID_NOT_RETURN_A_CERTIFICATE/.test(code)) return 'no-client-certificate';
  // An alert of the client's: it does not like our certificate, or gave up.
  if (/_ALERT_/.test(code)) return 'refused-by-client';
  return 'other';
}
