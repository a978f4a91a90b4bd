/** How we show that a host is ours: by a request to it (RFC 8555, 8.3), or by a handshake with it (RFC 8737). */
export type ChallengeKind = 'http-01' | 'tls-alpn-01';

/** What is shown to an authority while it looks whether hosts are ours. Plain data: it is sent to every worker. */
export interface Challenges {
  readonly answers: readonly ChallengeAnswer[];
  readonly certificates: readonly ChallengeCertificate[];
}

/** For a request to `/.well-known/acme-challenge/TOKEN`. */
export interface ChallengeAnswer {
  readonly token: string;
  readonly text: string;
}

/** For a handshake with that name and the protocol `acme-tls/1`. PEM. */
export interface ChallengeCertificate {
  readonly name: string;
  readonly chain: string;
  readonly key: string;
}

export const NO_CHALLENGES: Challenges = { answers: [], certificates: [] };
