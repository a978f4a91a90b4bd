import type { UnixMs } from '#world/world';

/** What a listener needs to speak TLS. Plain data: it is sent to every worker, keys and all, and never printed. */
export interface TlsSettings {
  /** The first also serves names that none has, unless those are rejected. None: all names are rejected until one comes. */
  readonly certificates: readonly ServedCertificate[];
  readonly unknownNames: 'serve' | 'reject';
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** ALPN, most wanted first. */
  readonly protocols: readonly string[];
  /** Who must show a certificate of their own. */
  readonly clients: readonly ClientPolicy[];
}

export interface ServedCertificate {
  /** The same for a certificate that only took another's place: sessions go on over a renewal. */
  readonly id: string;
  /** Host names in lower case; `*.` stands for one label. */
  readonly names: readonly string[];
  readonly validFrom: UnixMs;
  readonly validTo: UnixMs;
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
}

/** For one host, or `*` for hosts that have none of their own. */
export interface ClientPolicy {
  readonly id: string;
  readonly host: string;
  /** PEM of the authorities. */
  readonly authorities: string;
  /** False: who shows none is served too, where a route allows it. */
  readonly isRequired: boolean;
}
