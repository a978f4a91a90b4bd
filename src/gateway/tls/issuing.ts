import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { UnixMs } from '#world/world';

/** A certificate, or a chain with the leaf first, and its key. PEM. */
export interface Issued {
  readonly chain: string;
  readonly key: string;
}

export interface Validity {
  readonly from: UnixMs;
  readonly to: UnixMs;
}

const curve = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const serialBytes = 16;

/** An authority that signs certificates, and no other authorities. */
export async function makeAuthority(name: string, validity: Validity): Promise<Issued> {
  provide();
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: `CN=${quoted(name)}`,
    notBefore: new Date(validity.from),
    notAfter: new Date(validity.to),
    signingAlgorithm: curve,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { chain: pemOf(certificate), key: await keyPemOf(keys) };
}

/** A certificate of the authority's for these host names and addresses, or for a client with this name. The chain ends before the authority. */
export async function issueCertificate(
  authority: Issued,
  subject: { readonly names: readonly string[] } | { readonly client: string },
  validity: Validity,
): Promise<Issued> {
  provide();
  const issuer = new X509Certificate(authority.chain);
  const keys = await newKeys();
  const isClient = 'client' in subject;
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([isClient ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth]),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
  ];
  // Names are in the alternatives only (RFC 9525, 4.1), so the subject may be empty; then they are critical (RFC 5280, 4.2.1.6).
  if (!isClient) extensions.push(alternatives(subject.names, true));
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: isClient ? `CN=${quoted(subject.client)}` : '',
    issuer: issuer.subject,
    notBefore: new Date(validity.from),
    notAfter: new Date(validity.to),
    signingAlgorithm: curve,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    extensions,
  });
  return { chain: pemOf(certificate), key: await keyPemOf(keys) };
}

/** The library makes keys and signatures with what it is given. */
function provide(): void {
  cryptoProvider.set(webcrypto);
}

function alternatives(names: readonly string[], isCritical: boolean): Extension {
  return new SubjectAlternativeNameExtension(
    names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
    isCritical,
  );
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify']);
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = PemConverter.decode(pem);
  return await webcrypto.subtle.importKey('pkcs8', der as ArrayBuffer, curve, false, ['sign']);
}

async function keyPemOf({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', privateKey), PemConverter.PrivateKeyTag)}\n`;
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

/** Positive and not guessable (RFC 5280, 4.1.2.2), in hex. */
function newSerial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(serialBytes));
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

/** A value of a distinguished name (RFC 4514). */
function quoted(text: string): string {
  return text.replace(/[\\",+<>;#=]/g, '\\$&');
}
