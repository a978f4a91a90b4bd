import { randomBytes } from 'node:crypto';
import { Acceptor } from '../acceptor.ts';
import type { ClientHello } from '../client-hello.ts';
import { ticketKeysOf } from '../ticket-keys.ts';
import type { Challenges } from './challenges.ts';

const PROTOCOL = 'acme-tls/1';
const PATH = Buffer.from('/.well-known/acme-challenge/', 'latin1');
const secretBytes = 32;

/** The challenges that one worker answers now. What is not among them goes the way of all requests and handshakes. */
export class ChallengeTable {
  /** By token. */
  readonly #answers = new Map<string, string>();
  /** By host name. */
  readonly #acceptors = new Map<string, Acceptor>();

  replace({ answers, certificates }: Challenges): void {
    this.#answers.clear();
    for (const { token, text } of answers) this.#answers.set(token, text);
    this.#acceptors.clear();
    for (const certificate of certificates) {
      const tickets = ticketKeysOf(randomBytes(secretBytes).toString('base64'), PROTOCOL);
      this.#acceptors.set(certificate.name, new Acceptor({ certificate, policy: undefined }, { minVersion: 'TLSv1.2', protocols: [PROTOCOL] }, tickets));
    }
  }

  /** What to answer to a request for `[targetAt, targetEnd)`; `undefined` if it is not ours. */
  answerTo(bytes: Buffer, targetAt: number, targetEnd: number): string | undefined {
    if (this.#answers.size === 0 || !isChallengePath(bytes, targetAt, targetEnd)) return undefined;
    return this.#answers.get(bytes.toString('latin1', targetAt + PATH.length, targetEnd));
  }

  /** Who does the handshake with an authority that looks (RFC 8737, 3): it offers this protocol and no other. */
  acceptorFor({ serverName, protocols }: ClientHello): Acceptor | undefined {
    if (this.#acceptors.size === 0 || serverName === undefined || protocols.length !== 1 || protocols[0] !== PROTOCOL) return undefined;
    return this.#acceptors.get(serverName);
  }
}

/** True for what an authority asks for to see that a host is ours, which it does without TLS (RFC 8555, 8.3). */
export function isChallengePath(bytes: Buffer, targetAt: number, targetEnd: number): boolean {
  return targetEnd - targetAt > PATH.length && bytes.compare(PATH, 0, PATH.length, targetAt, targetAt + PATH.length) === 0;
}
