import type { ClientPolicy, ServedCertificate, TlsSettings } from './tls-settings.ts';

/** How one host is served: two hosts with the same `key` may share a connection. */
export interface Choice {
  readonly key: string;
  readonly certificate: ServedCertificate;
  readonly policy: ClientPolicy | undefined;
}

/** Finds certificate and client policy by host name: exact, then one-label wildcard, then what is for all. */
export class Choices {
  readonly #certificates = new Map<string, ServedCertificate>();
  readonly #policies = new Map<string, ClientPolicy>();
  readonly #fallback: ServedCertificate | undefined;

  constructor({ certificates, clients, unknownNames }: TlsSettings) {
    // The first to have a name keeps it.
    for (const certificate of certificates) for (const name of certificate.names) if (!this.#certificates.has(name)) this.#certificates.set(name, certificate);
    for (const policy of clients) this.#policies.set(policy.host, policy);
    this.#fallback = unknownNames === 'serve' ? certificates[0] : undefined;
  }

  /** `undefined` if names that no certificate has are rejected. A host in lower case without its port. */
  find(host: string | undefined): Choice | undefined {
    const certificate = this.#certificateFor(host);
    if (certificate === undefined) return undefined;
    const policy = (host === undefined ? undefined : this.#policies.get(host)) ?? this.#policies.get('*');
    return { key: `${certificate.id} ${policy === undefined ? '-' : `${policy.id} ${policy.isRequired}`}`, certificate, policy };
  }

  #certificateFor(host: string | undefined): ServedCertificate | undefined {
    if (host === undefined) return this.#fallback;
    const dot = host.indexOf('.');
    return this.#certificates.get(host) ?? (dot < 0 ? undefined : this.#certificates.get(`*${host.slice(dot)}`)) ?? this.#fallback;
  }
}
