import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Address, UnixMs } from '#world/world';
import { wallNow } from '../dataplane/clock.ts';
import { type Issued, issueCertificate, makeAuthority } from './issuing.ts';
import type { TlsSettings } from './tls-settings.ts';

const dayMs = 86_400_000;

/** A folder with an authority of its own, and certificates as files. */
export interface CertificateFiles extends AsyncDisposable {
  readonly folder: string;
  readonly authority: Issued;
  /** Writes NAME.pem and NAME.key for these host names; what a gateway's file says of them. */
  write(name: string, hosts: readonly string[], days?: number): Promise<{ readonly cert: string; readonly key: string }>;
  client(name: string): Promise<Issued>;
}

export function validFor(days: number): { readonly from: UnixMs; readonly to: UnixMs } {
  const now = wallNow();
  return { from: (Math.min(now, now + days * dayMs) - dayMs) as UnixMs, to: (now + days * dayMs) as UnixMs };
}

export async function certificateFiles(): Promise<CertificateFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'haven-tls-'));
  const authority = await makeAuthority('test authority', validFor(30));
  await writeFile(join(folder, 'authority.pem'), authority.chain);
  return {
    folder,
    authority,
    async write(name, hosts, days = 20) {
      const { chain, key } = await issueCertificate(authority, { names: hosts }, validFor(days));
      const paths = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
      await writeFile(paths.cert, chain);
      await writeFile(paths.key, key);
      return paths;
    },
    client: async (name) => await issueCertificate(authority, { client: name }, validFor(20)),
    [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true, force: true }),
  };
}

/** What a listener needs to serve any name with a certificate that nobody trusts. */
export async function anyNameTls(protocols: readonly string[]): Promise<TlsSettings> {
  const period = validFor(1);
  const issued = await issueCertificate(await makeAuthority('test authority', period), { names: ['main.test'] }, period);
  const certificates = [{ id: '1', names: ['main.test'], validFrom: period.from, validTo: period.to, ...issued }];
  return { certificates, unknownNames: 'serve', minVersion: 'TLSv1.2', protocols, clients: [] };
}

/** A connection whose handshake is done. Rejects with what Node says otherwise. */
export async function handshake(address: Address, options: ConnectionOptions): Promise<TLSSocket> {
  const done = Promise.withResolvers<TLSSocket>();
  const socket = connect({ host: address.host, port: address.port, ...options });
  socket.once('secureConnect', () => done.resolve(socket));
  socket.on('error', done.reject);
  socket.once('close', () => done.reject(new Error('closed during the handshake')));
  return await done.promise;
}

/** One GET on the connection, which stays open; resolves to the whole answer. Answers have a Content-Length. */
export async function getOver(socket: TLSSocket, path: string, host: string, fields = ''): Promise<string> {
  const done = Promise.withResolvers<string>();
  let text = '';
  const take = (bytes: Buffer) => {
    text += bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n') + 4;
    const length = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0);
    if (end > 3 && text.length >= end + length) done.resolve(text);
  };
  const fail = () => done.reject(new Error(`closed; got ${JSON.stringify(text.slice(0, 300))}`));
  socket.on('data', take);
  socket.once('close', fail);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`);
  try {
    return await done.promise;
  } finally {
    socket.off('data', take);
    socket.off('close', fail);
  }
}
