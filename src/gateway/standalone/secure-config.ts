import { readFile } from 'node:fs/promises';
import { hasCode, messageOf, PlatformError } from '#base/errors';
import type { Route } from '#model/route';
import type { SpecIssue } from '#model/spec-issues';
import type { UnixMs } from '#world/world';
import type { PublicListener } from '../public-listeners.ts';
import type { WantedCertificates } from '../tls/acme/issued-name.ts';
import { certificateWarnings } from '../tls/certificate-warnings.ts';
import { Choices } from '../tls/choices.ts';
import { clientPoliciesOf, type GuardedService, policyIdOf } from '../tls/client-policies.ts';
import type { Names } from '../tls/internal-certificates.ts';
import { namesOfListener, thisMachine } from '../tls/machine-names.ts';
import { certificatesIn, readCertificate } from '../tls/read-certificate.ts';
import type { ServedCertificate, TlsSettings } from '../tls/tls-settings.ts';
import type { PlannedAuto } from './resolve-acme.ts';
import type { StandaloneConfig } from './resolve-config.ts';
import type { PlannedTls } from './resolve-listeners.ts';

/** ALPN of a listener, most wanted first. */
const PROTOCOLS = ['h2', 'http/1.1'] as const;
const PROTOCOLS_WITHOUT_HTTP2 = ['http/1.1'] as const;

/** What a gateway's file and the files that it names say together. */
export interface SecuredConfig {
  readonly listeners: readonly SecuredListener[];
  readonly routes: readonly Route[];
  /** Sentences without a full stop. */
  readonly warnings: readonly string[];
}

export interface SecuredListener extends PublicListener {
  /** The names of each certificate that the gateway issues itself. */
  readonly internal?: readonly Names[];
  /** Those that it gets from an authority, besides what is in its settings. */
  readonly auto?: WantedCertificates;
}

/** Resolves to one certificate for each. */
export type Issue = (wanted: readonly Names[]) => Promise<readonly ServedCertificate[]>;

/** Reads the certificates a config names, and has those issued that it wants of the gateway's own authority. INVALID names every file that cannot be used, with its keys in `issues`. */
export async function secureConfig(config: StandaloneConfig, { now, issue }: { readonly now: UnixMs; readonly issue: Issue }): Promise<SecuredConfig> {
  const issues: SpecIssue[] = [];
  const authorities = await readAuthorities(config, issues);
  const routes = config.routes.map((route): Route => {
    const authority = authorities.get(route.service);
    return authority === undefined ? route : { ...route, clientPolicy: { id: policyIdOf(authority.pem), isRequired: authority.isRequired } };
  });
  const guarded = config.routes.map(({ service, matches }): GuardedService => {
    const authority = authorities.get(service);
    return { name: service, matches, ...(authority === undefined ? {} : { authorities: authority.pem, isRequired: authority.isRequired }) };
  });
  const { policies, conflicts } = clientPoliciesOf(guarded);
  for (const host of conflicts)
    issues.push({ path: ['services'], message: `ask clients of "${host}" for certificates of several authorities; a host can ask for those of one file only` });
  const secured = await Promise.all(
    config.listeners.map(async ({ address, settings, tls }): Promise<SecuredListener> => {
      if (tls === undefined) return { address, ...(settings === undefined ? {} : { settings }) };
      const { unknownNames, minVersion } = tls;
      const certificates = await readCertificates(tls, issues);
      // What a carried connection speaks is between its ends.
      const protocols = settings?.tcp !== undefined ? [] : settings?.http2 === false ? PROTOCOLS_WITHOUT_HTTP2 : PROTOCOLS;
      const internal = internalOf(address.host, tls);
      const secured: TlsSettings = { certificates, unknownNames, minVersion, protocols, clients: policies };
      return {
        address,
        settings: { ...settings, tls: secured },
        ...(internal === undefined ? {} : { internal }),
        ...(tls.auto === undefined ? {} : { auto: await readAuto(tls.auto, secured, issues) }),
      };
    }),
  );
  if (issues.length > 0) {
    const lines = issues.map(({ path, message }) => `${path.join('.')} ${message}`);
    throw new PlatformError('INVALID', `Cannot use the certificates:\n${lines.join('\n')}`, { issues });
  }
  const byFiles = secured.filter(({ internal }) => internal === undefined);
  const warnings = [...certificateWarnings(byFiles, routes, now), ...portWarnings(secured)];
  return { listeners: await withIssued(secured, issue), routes, warnings };
}

/** The listeners with the certificates that are in force by now. */
export async function withIssued(listeners: readonly SecuredListener[], issue: Issue): Promise<readonly SecuredListener[]> {
  const done: SecuredListener[] = [];
  for (const listener of listeners) {
    const { settings, internal } = listener;
    if (settings?.tls === undefined || internal === undefined) done.push(listener);
    else done.push({ ...listener, settings: { ...settings, tls: { ...settings.tls, certificates: await issue(internal) } } });
  }
  return done;
}

/** The first is for clients that ask for no name, or for one that none has. */
function internalOf(host: string, { internal }: PlannedTls): readonly Names[] | undefined {
  if (internal === undefined) return undefined;
  return [...(internal.isForAddress ? [namesOfListener(host, thisMachine())] : []), ...internal.names.map((name) => [name])];
}

async function readAuto({ at, caFile, isByRoutes, ...wanted }: PlannedAuto, tls: TlsSettings, issues: SpecIssue[]): Promise<WantedCertificates> {
  const fromFiles = new Choices({ ...tls, unknownNames: 'reject' });
  const names = isByRoutes ? wanted.names.filter((name) => fromFiles.find(name) === undefined) : wanted.names;
  return { ...wanted, names, ca: caFile === undefined ? undefined : await readAuthority(caFile, [...at, 'ca'], issues) };
}

/** Where authorities come to look (RFC 8555, 8.3; RFC 8737, 3), which may lead to a listener at another port. */
function portWarnings(listeners: readonly SecuredListener[]): readonly string[] {
  const warnings = listeners.flatMap(({ auto }) => {
    if (auto === undefined || auto.names.length === 0) return [];
    const [port, isSecure] = auto.challenge === 'http-01' ? [80, false] : [443, true];
    const isThere = listeners.some(({ address, settings }) => address.port === port && (settings?.tls !== undefined) === isSecure);
    return isThere
      ? []
      : [`authorities look at port ${port} whether a host is ours (${auto.challenge}), and no listener is there: it must be led to one of ours`];
  });
  return [...new Set(warnings)];
}

async function readAuthorities(
  { clientCas }: StandaloneConfig,
  issues: SpecIssue[],
): Promise<ReadonlyMap<string, { readonly pem: string; readonly isRequired: boolean }>> {
  const read = await Promise.all(
    clientCas.map(async ({ service, file, isRequired }) => {
      const at = ['services', service, 'clientCa'];
      const pem = await readAuthority(file, at, issues);
      return pem === undefined ? [] : [[service, { pem, isRequired }] as const];
    }),
  );
  return new Map(read.flat());
}

async function readAuthority(file: string, at: readonly string[], issues: SpecIssue[]): Promise<string | undefined> {
  const pem = await readPem(file, at, issues);
  if (pem === undefined) return undefined;
  try {
    if (certificatesIn(pem).length > 0) return pem;
    issues.push({ path: at, message: `cannot be used ("${file}"), because it holds no certificate in PEM` });
  } catch (error) {
    issues.push({ path: at, message: `cannot be used ("${file}"), because ${messageOf(error)}` });
  }
  return undefined;
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
    issues.push({ path: at, message: `cannot be read ("${path}"), because ${unreadable(error)}` });
    return undefined;
  }
}

function unreadable(error: unknown): string {
  switch (error instanceof Error && 'code' in error ? error.code : undefined) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
      return 'the user that the gateway runs as may not read it';
    case 'EISDIR':
      return 'it is a folder';
    default:
      return messageOf(error);
  }
}
