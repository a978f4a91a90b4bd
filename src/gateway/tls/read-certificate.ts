import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { messageOf, PlatformError } from '#base/errors';
import type { UnixMs } from '#world/world';
import type { ServedCertificate } from './tls-settings.ts';

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const DNS_NAME = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;
const idDigits = 16;
const mostChain = 10;

/**
 * A certificate with its key as they are served, checked: both can be read, the key is the certificate's, and each of the chain signed the one before it.
 * INVALID says what is wrong, as a clause that goes on after "because".
 */
export function readCertificate(chain: string, key: string): ServedCertificate {
  const [leaf, ...above] = certificatesIn(chain);
  if (leaf === undefined) throw new PlatformError('INVALID', 'it holds no certificate in PEM');
  if (above.length >= mostChain) throw new PlatformError('INVALID', `its chain has more than ${mostChain} certificates`);
  if (!fits(leaf, key)) throw new PlatformError('INVALID', 'the key is not that of the certificate');
  let signed = leaf;
  for (const signer of above) {
    if (!signed.verify(signer.publicKey))
      throw new PlatformError('INVALID', `its chain is out of order: "${nameOf(signer)}" did not sign "${nameOf(signed)}"; the leaf comes first`);
    signed = signer;
  }
  const names = namesOf(leaf);
  return {
    id: createHash('sha256')
      .update([...names].sort().join(' '))
      .digest('hex')
      .slice(0, idDigits),
    names,
    validFrom: leaf.validFromDate.getTime() as UnixMs,
    validTo: leaf.validToDate.getTime() as UnixMs,
    chain,
    key,
  };
}

/** All certificates of a PEM text, in order. INVALID if one is damaged. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  return (pem.match(PEM_CERTIFICATE) ?? []).map((text) => {
    try {
      return new X509Certificate(text);
    } catch (error) {
      throw new PlatformError('INVALID', `it holds a damaged certificate (${messageOf(error)})`);
    }
  });
}

function fits(leaf: X509Certificate, key: string): boolean {
  let privateKey: ReturnType<typeof createPrivateKey>;
  try {
    privateKey = createPrivateKey(key);
  } catch {
    // What OpenSSL says of a key could show some of it.
    throw new PlatformError('INVALID', 'the key cannot be read: it must be an unencrypted private key in PEM');
  }
  return leaf.checkPrivateKey(privateKey);
}

/** Host names in lower case, from the alternative names; from the subject where there are none. */
function namesOf(leaf: X509Certificate): readonly string[] {
  const alternatives = leaf.subjectAltName?.split(', ').filter((entry) => entry.startsWith('DNS:')) ?? [];
  const names = alternatives.length > 0 ? alternatives.map((entry) => entry.slice(4)) : [nameOf(leaf)];
  return names.map((name) => name.toLowerCase()).filter((name) => DNS_NAME.test(name));
}

function nameOf(certificate: X509Certificate): string {
  return /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? certificate.subject.replaceAll('\n', ', ');
}
