import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import {
  cryptoProvider,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { UnixMs } from '#world/world';
import type { ChallengeCertificate } from './challenges.ts';

const curve = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** id-pe-acmeIdentifier (RFC 8737, 3). */
const acmeIdentifier = '1.3.6.1.5.5.7.1.31';
const octetString = 4;
const dayMs = 86_400_000;

/** A new key, and the request for a certificate of it (RFC 2986). */
export interface CertificateRequest {
  /** DER in base64url. */
  readonly request: string;
  /** PEM. */
  readonly key: string;
}

export async function requestCertificate(name: string): Promise<CertificateRequest> {
  cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: curve,
    extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true), namesOf(name)],
  });
  return { request: Buffer.from(request.rawData).toString('base64url'), key: await pemOf(keys.privateKey) };
}

/** The certificate by which a handshake shows that a host is ours: it signs itself, and names what was authorized (RFC 8737, 3). */
export async function certifyChallenge(name: string, authorization: string, now: UnixMs): Promise<ChallengeCertificate> {
  cryptoProvider.set(webcrypto);
  const keys = await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify']);
  const digest = createHash('sha256').update(authorization).digest();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: `CN=ACME challenge`,
    notBefore: new Date(now - dayMs),
    notAfter: new Date(now + dayMs),
    signingAlgorithm: curve,
    keys,
    extensions: [namesOf(name), new Extension(acmeIdentifier, true, Buffer.from([octetString, digest.length, ...digest]))],
  });
  return { name, chain: `${certificate.toString('pem')}\n`, key: await pemOf(keys.privateKey) };
}

function namesOf(name: string): Extension {
  return new SubjectAlternativeNameExtension([{ type: 'dns', value: name }], false);
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), PemConverter.PrivateKeyTag)}\n`;
}
