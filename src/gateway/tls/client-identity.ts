import type { TLSSocket } from 'node:tls';

/** Who a client has proved to be by its certificate. */
export interface ClientIdentity {
  /** The value of X-Forwarded-Client-Cert, in Envoy's form: `Hash=…;Subject="…"` and its names. Printable ASCII. */
  readonly forwarded: string;
}

/** Of all that is said of one certificate: it goes with every request. */
const mostBytes = 400;

/** The identity of a client whose certificate was verified; `undefined` if it showed none, or one that was not. */
export function clientOf(socket: TLSSocket): ClientIdentity | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  // Node writes one part per line, the most general first; RFC 4514 has it the other way round.
  const subject = certificate.subject.split('\n').reverse().join(',');
  const names = (certificate.subjectAltName ?? '').split(', ');
  const parts = [
    `Hash=${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`,
    `Subject=${quoted(subject)}`,
    ...names.filter((name) => name.startsWith('URI:')).map((name) => `URI=${quoted(name.slice(4))}`),
    ...names.filter((name) => name.startsWith('DNS:')).map((name) => `DNS=${quoted(name.slice(4))}`),
  ];
  let forwarded = '';
  for (const part of parts) if (forwarded.length + part.length < mostBytes) forwarded += forwarded === '' ? part : `;${part}`;
  return { forwarded };
}

/** Text of a certificate in quotes; what could end the quotes or the field is escaped. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replace(/[^\x20-\x7e]/g, '?')}"`;
}
