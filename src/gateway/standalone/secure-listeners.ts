import { readFile } from 'node:fs/promises';
import { hasCode, messageOf, PlatformError } from '#base/errors';
import type { SpecIssue } from '#model/spec-issues';
import type { PublicListener } from '../public-listeners.ts';
import { readCertificate } from '../tls/read-certificate.ts';
import type { ServedCertificate } from '../tls/tls-settings.ts';
import type { PlannedListener, PlannedTls } from './resolve-listeners.ts';

/** ALPN of a listener, most wanted first. */
const PROTOCOLS = ['h2', 'http/1.1'] as const;
const PROTOCOLS_WITHOUT_HTTP2 = ['http/1.1'] as const;

/** The listeners with what their certificates' files hold now. INVALID names every file that cannot be used. */
export async function secureListeners(planned: readonly PlannedListener[]): Promise<readonly PublicListener[]> {
  const issues: SpecIssue[] = [];
  const listeners = await Promise.all(
    planned.map(async ({ address, settings, tls }): Promise<PublicListener> => {
      if (tls === undefined) return { address, ...(settings === undefined ? {} : { settings }) };
      const { unknownNames, minVersion } = tls;
      const certificates = await readCertificates(tls, issues);
      const protocols = settings?.http2 === false ? PROTOCOLS_WITHOUT_HTTP2 : PROTOCOLS;
      return { address, settings: { ...settings, tls: { certificates, unknownNames, minVersion, protocols, clients: [] } } };
    }),
  );
  if (issues.length === 0) return listeners;
  const lines = issues.map(({ path, message }) => `${path.join('.')} ${message}`);
  throw new PlatformError('INVALID', `Cannot use the certificates:\n${lines.join('\n')}`, { issues });
}

async function readCertificates({ at, certificates }: PlannedTls, issues: SpecIssue[]): Promise<readonly ServedCertificate[]> {
  const read = await Promise.all(
    certificates.map(async ({ cert, key }, index) => {
      const path = [...at, 'certificates', String(index)];
      const chain = await readPem(cert, [...path, 'cert'], issues);
      const secret = await readPem(key, [...path, 'key'], issues);
      if (chain === undefined || secret === undefined) return [];
      try {
        return [readCertificate(chain, secret)];
      } catch (error) {
        if (!hasCode(error, 'INVALID')) throw error;
        issues.push({ path, message: `cannot be used ("${cert}" with "${key}"), because ${error.message}` });
        return [];
      }
    }),
  );
  return read.flat();
}

/** Follows links: certbot and others keep the newest behind one. */
async function readPem(path: string, at: readonly string[], issues: SpecIssue[]): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    issues.push({ path: at, message: `cannot be read: ${messageOf(error)}` });
    return undefined;
  }
}
