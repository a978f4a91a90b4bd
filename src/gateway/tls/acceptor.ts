import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { LIMITS } from '../dataplane/limits.ts';
import type { TicketKeys } from './ticket-keys.ts';
import type { ClientPolicy, ServedCertificate, TlsSettings } from './tls-settings.ts';

/** AEAD with ephemeral keys only (RFC 9325, 4.2); for TLS 1.3 all that there is. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** What is shown, and what is asked for. */
interface Offer {
  readonly certificate: Pick<ServedCertificate, 'chain' | 'key'>;
  readonly policy: ClientPolicy | undefined;
}

export interface Outcome {
  readonly secured: (socket: TLSSocket) => void;
  readonly failed: (error: NodeJS.ErrnoException) => void;
}

/**
 * Makes connections secure in one way: one certificate, one client policy, one generation of ticket keys. What a client asked for is known before, so nothing is
 * called back and nothing can throw inside a handshake.
 */
export class Acceptor {
  readonly #server: Server;
  readonly #pending = new Map<string, Outcome>();

  /** Throws what Node says of a certificate that it cannot use. */
  constructor(choice: Offer, settings: Pick<TlsSettings, 'minVersion' | 'protocols'>, tickets: TicketKeys) {
    const { certificate, policy } = choice;
    this.#server = createServer({
      cert: certificate.chain,
      key: certificate.key,
      minVersion: settings.minVersion,
      ciphers,
      ...(settings.protocols.length === 0 ? {} : { ALPNProtocols: [...settings.protocols] }),
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      handshakeTimeout: LIMITS.handshakeTimeoutMs,
      ticketKeys: tickets.bytes,
      sessionTimeout: LIMITS.sessionMs / 1_000,
      // Tickets of another scope cannot be read here; the name says the same once more, to OpenSSL.
      sessionIdContext: tickets.name,
      ...(policy === undefined ? {} : { ca: policy.authorities, requestCert: true, rejectUnauthorized: policy.isRequired }),
    });
    this.#server.on('secureConnection', (socket) => {
      socket.allowHalfOpen = true;
      this.#settle(socket)?.secured(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => this.#settle(socket)?.failed(error));
  }

  /** Takes a socket whose unread bytes begin with the hello. Exactly one of the outcomes follows. */
  accept(raw: Socket, outcome: Outcome): void {
    const id = idOf(raw);
    this.#pending.set(id, outcome);
    raw.once('close', () => {
      if (this.#pending.get(id) !== outcome) return;
      this.#pending.delete(id);
      outcome.failed(Object.assign(new Error('The connection was closed within the handshake'), { code: 'ECONNRESET' }));
    });
    // Who ends its side within the handshake does not wait for the end of that: the TLS over it takes this from it, and may be half open later.
    raw.allowHalfOpen = false;
    this.#server.emit('connection', raw);
  }

  #settle(socket: TLSSocket): Outcome | undefined {
    const id = idOf(socket);
    const outcome = this.#pending.get(id);
    this.#pending.delete(id);
    if (outcome === undefined) socket.destroy();
    return outcome;
  }
}

/** The same for a socket and for the TLS over it, which Node does not tell. */
function idOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
