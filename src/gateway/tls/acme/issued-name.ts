import type { UnixMs } from '#world/world';
import type { ServedCertificate } from '../tls-settings.ts';
import type { AcmeClient } from './acme-client.ts';
import type { AcmeStore, KeptName } from './acme-store.ts';
import type { ChallengeKind } from './challenges.ts';
import { type Failures, type Held, orderAt } from './renewal.ts';

/** Names that get their certificates from an authority. */
export interface WantedCertificates {
  readonly names: readonly string[];
  readonly challenge: ChallengeKind;
  /** URL of the authority's directory. */
  readonly directory: string;
  /** PEM of what the authority's own certificate is from. */
  readonly ca: string | undefined;
  readonly email: string | undefined;
}

/** What is the same for all names of one authority. */
export interface Account {
  readonly store: AcmeStore;
  /** Of what holds for all its names: it cannot be reached, or wants to be left alone. */
  failures: Failures | undefined;
  client: { readonly madeFor: string; readonly it: AcmeClient } | undefined;
}

/** A name, what is held for it and what came of orders for it. */
export interface IssuedName {
  readonly name: string;
  readonly account: Account;
  wanted: WantedCertificates;
  certificate: (ServedCertificate & Held) | undefined;
  failures: Failures | undefined;
}

/** One for each directory and name. */
export function keyOf({ directory }: WantedCertificates, name: string): string {
  return `${directory} ${name}`;
}

/** What may be served now. */
export function usable(name: IssuedName | undefined, now: UnixMs): (ServedCertificate & Held) | undefined {
  const certificate = name?.certificate;
  return certificate !== undefined && now < certificate.validTo ? certificate : undefined;
}

/** When the next order may be made. */
export function dueAt({ account, certificate: held, failures }: IssuedName, now: UnixMs): UnixMs {
  return Math.max(orderAt({ held, failures, now }), orderAt({ held: undefined, failures: account.failures, now })) as UnixMs;
}

/** What is kept of it on disk. */
export function kept({ certificate, failures }: IssuedName): KeptName {
  return {
    ...(certificate === undefined ? {} : { certificate: { chain: certificate.chain, key: certificate.key, orderedAt: certificate.orderedAt } }),
    ...(failures === undefined ? {} : { failures }),
  };
}
