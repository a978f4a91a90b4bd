import type { PublicListener } from '../public-listeners.ts';
import type { WantedCertificates } from '../tls/acme/issued-name.ts';
import type { Issuer } from '../tls/acme/issuer.ts';
import type { SecuredListener } from './secure-config.ts';

/** What the listeners get from authorities. */
export function wantedBy(listeners: readonly SecuredListener[]): readonly WantedCertificates[] {
  return listeners.flatMap(({ auto }) => auto ?? []);
}

/** The listeners with what has been got for them so far. */
export function withOrdered(listeners: readonly SecuredListener[], issuer: Issuer): readonly PublicListener[] {
  return listeners.map((listener) => {
    const { address, settings, auto } = listener;
    if (settings?.tls === undefined || auto === undefined) return listener;
    const certificates = [...settings.tls.certificates, ...issuer.certificatesFor(auto)];
    return { address, settings: { ...settings, tls: { ...settings.tls, certificates } } };
  });
}
