import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { SpecIssue } from '#model/spec-issues';
import type { WantedCertificates } from '../tls/acme/issued-name.ts';
import type { GatewayInput } from './config-schema.ts';

/** What a listener's `tls: auto` asks for. The file it names has not been read yet. */
export interface PlannedAuto extends Omit<WantedCertificates, 'ca'> {
  /** The keys above it in the file. */
  readonly at: readonly string[];
  /** Absolute. */
  readonly caFile: string | undefined;
  /** The names are those of the routes: what a certificate from a file has is not ordered. */
  readonly isByRoutes: boolean;
}

type ListenerInput = Exclude<GatewayInput['listen'], string | readonly unknown[]>;
type AutoInput = NonNullable<Exclude<NonNullable<ListenerInput['tls']>, string>['auto']>;

const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory';
const MOST_NAMES = 100;

export function plannedAutoOf(input: GatewayInput, given: AutoInput, { folder, at }: { readonly folder: string; readonly at: readonly string[] }): PlannedAuto {
  const { directory = LETS_ENCRYPT, email, challenge, ca } = { ...input.acme, ...given };
  return {
    at,
    names: given.names === undefined ? hostsOf(input) : unique(given.names),
    isByRoutes: given.names === undefined,
    directory,
    email,
    challenge: challenge ?? (hasPlainListener(input) ? 'http-01' : 'tls-alpn-01'),
    caFile: ca === undefined ? undefined : resolve(folder, ca),
  };
}

export function autoIssues(input: GatewayInput, given: AutoInput, at: readonly string[]): readonly SpecIssue[] {
  const issues: SpecIssue[] = [];
  const { agree, challenge, directory } = { ...input.acme, ...given };
  if (agree !== true) {
    const whose = directory === undefined ? "Let's Encrypt (https://letsencrypt.org/repository/)" : `the authority at ${directory}`;
    issues.push({ path: at, message: `wants your word: "acme: { agree: true }" says that you agree to the terms of ${whose}` });
  }
  if (challenge === 'http-01' && !hasPlainListener(input))
    issues.push({ path: at, message: 'cannot use http-01 without a listener for HTTP without TLS; add one, or use "challenge: tls-alpn-01"' });
  const names = given.names ?? hostsOf(input);
  if (names.length === 0)
    issues.push({ path: at, message: 'has no names to get certificates for: no route has a host; add hosts to routes, or "auto: { names }"' });
  if (names.length > MOST_NAMES)
    issues.push({ path: at, message: `would get certificates for ${names.length} hosts of routes; at most ${MOST_NAMES} are got for a listener` });
  return issues;
}

function hostsOf({ routes = [] }: GatewayInput): readonly string[] {
  return unique(routes.flatMap(({ host = '*' }) => (host === '*' || isIP(host) !== 0 ? [] : host)));
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names.map((name) => name.toLowerCase()))];
}

function hasPlainListener({ listen }: GatewayInput): boolean {
  return (Array.isArray(listen) ? listen : [listen]).some((given) => typeof given === 'string' || (given.tls === undefined && given.tcp === undefined));
}
