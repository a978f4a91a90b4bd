import { resolve } from 'node:path';
import { parseDurationMs } from '#base/duration';
import { formatAddress } from '#base/host-port';
import type { Name } from '#base/name';
import { nearest } from '#model/nearest';
import type { SpecIssue } from '#model/spec-issues';
import { DEFAULT_BALANCE } from '#policy/balance/balancers';
import { requestlessIssue } from '#policy/balance/spec-balance';
import type { Address } from '#world/world';
import type { ConnectionLimits, ListenerSettings } from '../dataplane/listener-settings.ts';
import type { TlsSettings } from '../tls/tls-settings.ts';
import type { GatewayInput } from './config-schema.ts';
import { addressOf, overlap } from './config-values.ts';
import { autoIssues, type PlannedAuto, plannedAutoOf } from './resolve-acme.ts';

/** A listener of the file. What it needs of other files has not been read yet. */
export interface PlannedListener {
  readonly address: Address;
  readonly settings?: ListenerSettings;
  readonly tls?: PlannedTls;
}

export interface PlannedTls extends Pick<TlsSettings, 'unknownNames' | 'minVersion'> {
  /** The keys above it in the file. */
  readonly at: readonly string[];
  /** Absolute paths. */
  readonly certificates: readonly { readonly cert: string; readonly key: string }[];
  /** Certificates that it gets from an authority; absent: none. */
  readonly auto?: PlannedAuto;
  /** Certificates that the gateway issues itself; absent: none. */
  readonly internal?: PlannedInternal;
}

export interface PlannedInternal {
  /** One certificate for each: the hosts of routes, and what the file adds. */
  readonly names: readonly string[];
  /** Another one for where it listens: some clients will call it by no other name. */
  readonly isForAddress: boolean;
}

const httpsPort = 443;
/** Connections that are carried as they are may be for any. */
const ANY_HOST = ['*'] as const;
/** Each takes a millisecond or two to issue, at the start and at every renewal. */
const MAX_INTERNAL_NAMES = 1_000;

type ListenerInput = Exclude<GatewayInput['listen'], readonly unknown[]>;
type TlsInput = NonNullable<Exclude<ListenerInput, string>['tls']>;
type TlsOptions = Exclude<TlsInput, string>;

interface Where {
  readonly app: Name;
  readonly folder: string;
  readonly at: readonly string[];
  readonly input: GatewayInput;
  /** Of the first listener with TLS. */
  readonly httpsPort: number;
  /** Of all routes. */
  readonly hosts: readonly string[];
}

/** Where the gateway listens, by a file that was checked. Paths in it begin at `folder`. */
export function listenersOf(input: GatewayInput, { app, folder }: { readonly app: Name; readonly folder: string }): readonly PlannedListener[] {
  const { listen, trust } = input;
  const where = { app, folder, input, httpsPort: httpsPortOf(listen), hosts: hostsOf(input) };
  return (Array.isArray(listen) ? listen : [listen]).map((given, index) => {
    const at = Array.isArray(listen) ? ['listen', String(index)] : ['listen'];
    return listenerOf({ trust, ...(typeof given === 'string' ? { address: given } : given) }, { ...where, at });
  });
}

function listenerOf({ address, redirect, proxyProtocol, trust, tls, http2, tcp }: Exclude<ListenerInput, string>, where: Where): PlannedListener {
  const settings: ListenerSettings = {
    ...(redirect === undefined ? {} : { redirectPort: redirect === 'https' ? where.httpsPort : redirect }),
    ...(tcp === undefined ? {} : { tcp: `${where.app}/${tcp}` }),
    ...(proxyProtocol === undefined ? {} : { proxyFrom: proxyProtocol }),
    ...(tcp !== undefined ? { http2: false } : http2 === undefined ? {} : { http2 }),
    ...(trust === undefined || tcp !== undefined
      ? {}
      : { trust: Array.isArray(trust) ? { from: trust, hops: 1 } : { from: trust.from, hops: trust.hops ?? 1 } }),
    ...(where.input.limits === undefined ? {} : { limits: limitsOf(where.input.limits) }),
  };
  return {
    address: addressOf(address),
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
    ...(tls === undefined ? {} : { tls: tlsOf(tls, { ...where, hosts: tcp === undefined ? where.hosts : ANY_HOST }) }),
  };
}

function tlsOf(given: TlsInput, { folder, at, hosts, input }: Where): PlannedTls {
  const options = tlsOptionsOf(given);
  // What is got for some names is no answer for others.
  const { certificates = [], auto, unknownNames = auto === undefined ? 'serve' : 'reject', minVersion = 1.2 } = options;
  const names = internalNamesOf(options, hosts);
  return {
    at: [...at, 'tls'],
    ...(auto === undefined ? {} : { auto: plannedAutoOf(input, auto, { folder, at: [...at, 'tls', 'auto'] }) }),
    ...(options.internal ? { internal: { names, isForAddress: names.length === 0 || hosts.includes('*') } } : {}),
    certificates: certificates.map(({ cert, key }) => ({ cert: resolve(folder, cert), key: resolve(folder, key) })),
    unknownNames,
    minVersion: Number(minVersion) === 1.3 ? 'TLSv1.3' : 'TLSv1.2',
  };
}

function tlsOptionsOf(given: TlsInput): TlsOptions {
  return typeof given !== 'string' ? given : given === 'auto' ? { auto: {} } : { internal: true };
}

/** In lower case, each once. */
function internalNamesOf({ names = [] }: TlsOptions, hosts: readonly string[]): readonly string[] {
  return [...new Set([...hosts.filter((host) => host !== '*'), ...names.map((name) => name.toLowerCase())])];
}

/** In lower case, each once; `*` for any. */
function hostsOf({ routes = [] }: GatewayInput): readonly string[] {
  return [...new Set(routes.map(({ host = '*' }) => host.toLowerCase()))];
}

function limitsOf({ connections, connectionsPerClient, stall }: NonNullable<GatewayInput['limits']>): ConnectionLimits {
  return { connections, connectionsPerClient, stallMs: stall === undefined ? undefined : parseDurationMs(stall) };
}

function httpsPortOf(listen: GatewayInput['listen']): number {
  const secure = (Array.isArray(listen) ? listen : [listen]).find((given) => typeof given !== 'string' && given.tls !== undefined);
  return secure === undefined || typeof secure === 'string' ? httpsPort : addressOf(secure.address).port;
}

/** Addresses that are given twice, redirects of what is HTTPS already, listeners that lead nowhere, and policies that look at what is not there. */
export function listenerIssues(input: GatewayInput): readonly SpecIssue[] {
  const issues: SpecIssue[] = [];
  const seen: Address[] = [];
  const taken = (text: string, path: readonly string[]) => {
    const address = addressOf(text);
    const other = seen.find((known) => overlap(known, address));
    if (other !== undefined) issues.push({ path, message: overlapMessage(address, other) });
    seen.push(address);
  };
  const listeners = Array.isArray(input.listen) ? input.listen : [input.listen];
  listeners.forEach((given, index) => {
    const at = Array.isArray(input.listen) ? ['listen', String(index)] : ['listen'];
    const { address, tcp, tls, redirect } = typeof given === 'string' ? { address: given } : given;
    taken(address, at);
    if (tls !== undefined) {
      const options = tlsOptionsOf(tls);
      issues.push(...tlsIssues(options, tcp === undefined ? hostsOf(input) : ANY_HOST, [...at, 'tls']));
      if (options.auto !== undefined) issues.push(...autoIssues(input, options.auto, [...at, 'tls', ...(tls === 'auto' ? [] : ['auto'])]));
    }
    if (redirect !== undefined && tls !== undefined)
      issues.push({ path: [...at, 'redirect'], message: 'is for listeners without TLS: this one speaks HTTPS itself' });
    if (redirect !== undefined && tcp !== undefined)
      issues.push({ path: [...at, 'redirect'], message: 'is for requests: connections of a listener with "tcp" are carried as they are' });
    if (tcp !== undefined) issues.push(...tcpIssues(input, tcp, [...at, 'tcp']));
    else if (redirect === undefined && (input.routes ?? []).length === 0)
      issues.push({ path: at, message: 'has no routes to follow; add "routes", or "tcp" with the name of a service' });
  });
  if (input.admin !== undefined) taken(input.admin, ['admin']);
  return issues;
}

function overlapMessage(address: Address, other: Address): string {
  const [written, known] = [formatAddress(address), formatAddress(other)];
  if (written === known) return `is ${written} once more`;
  const [wide, narrow] = address.host === '::' || (address.host === '0.0.0.0' && other.host !== '::') ? [written, known] : [known, written];
  return `is ${written}, which cannot be had beside ${known}: ${wide} has the connections of ${narrow} too; leave one of them out`;
}

function tlsIssues(options: TlsOptions, hosts: readonly string[], at: readonly string[]): readonly SpecIssue[] {
  const { certificates, auto, internal = false, names } = options;
  if (certificates === undefined && auto === undefined && !internal)
    return [
      {
        path: at,
        message:
          'has no certificates: add "certificates" with files, or write "tls: auto" for those of a public authority, "tls: internal" for those of the gateway\'s own',
      },
    ];
  if (auto !== undefined && internal)
    return [{ path: at, message: 'has "auto" and "internal": one listener has certificates of a public authority or of the gateway\'s own, not both' }];
  if (certificates !== undefined && internal)
    return [{ path: at, message: 'has "certificates" and "internal": one listener has them from files or from the gateway\'s own authority, not both' }];
  if (names !== undefined && !internal) {
    const instead = auto === undefined ? 'certificates from files have their names in them' : 'those of "auto" are in "auto: { names }"';
    return [{ path: [...at, 'names'], message: `is for "internal": ${instead}` }];
  }
  const count = internalNamesOf(options, hosts).length;
  if (internal && count > MAX_INTERNAL_NAMES)
    return [{ path: at, message: `would need ${count} certificates of the gateway's own authority, and at most ${MAX_INTERNAL_NAMES} are issued` }];
  return [];
}

function tcpIssues({ services }: GatewayInput, name: string, path: readonly string[]): readonly SpecIssue[] {
  const service = Object.hasOwn(services, name) ? services[name] : undefined;
  if (service === undefined) {
    const known = Object.keys(services);
    const meant = nearest(name, known);
    return [
      {
        path,
        message: `is "${name}", but ${known.length === 0 ? 'there are no services' : `there are only ${known.join(', ')}`}`,
        ...(meant ? { nearest: meant } : {}),
      },
    ];
  }
  if (service.clientCa !== undefined)
    return [{ path, message: `is "${name}", which wants certificates of its clients ("clientCa"): that is only checked of requests` }];
  const why = requestlessIssue(service.balance ?? DEFAULT_BALANCE);
  return why === undefined ? [] : [{ path, message: `leads to a service whose balance policy cannot be used: ${why}` }];
}
