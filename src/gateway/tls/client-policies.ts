import { createHash } from 'node:crypto';
import type { RouteMatch } from '#model/spec';
import type { ClientPolicy } from './tls-settings.ts';

const idDigits = 16;

/** A service, and whose certificates its clients have to show. */
export interface GuardedService {
  readonly name: string;
  readonly matches: readonly RouteMatch[];
  /** PEM; absent: it asks for none. */
  readonly authorities?: string;
  readonly isRequired?: boolean;
}

export function policyIdOf(authorities: string): string {
  return createHash('sha256').update(authorities).digest('hex').slice(0, idDigits);
}

/**
 * What is asked of clients in the handshake, by host: before a request is there, only the host is known. A host asks as soon as one of its services does, and insists if
 * all do; the others are asked again for each request. `conflicts`: hosts two of whose services want different authorities, which one handshake cannot ask for.
 */
export function clientPoliciesOf(services: readonly GuardedService[]): { readonly policies: readonly ClientPolicy[]; readonly conflicts: readonly string[] } {
  const hosts = new Set(services.flatMap(({ matches }) => matches.map(({ host }) => host.toLowerCase())));
  const policies: ClientPolicy[] = [];
  const conflicts: string[] = [];
  for (const host of hosts) {
    const isOf = (match: RouteMatch) => match.host.toLowerCase() === host;
    // Where a host has a route for all its paths, those for any host get none of its requests.
    const isWhole = services.some(({ matches }) => matches.some((match) => isOf(match) && /^\/*$/.test(match.path)));
    const reached = services.filter(({ matches }) => matches.some((match) => isOf(match) || (!isWhole && match.host === '*')));
    const authorities = new Set(reached.flatMap((service) => service.authorities ?? []));
    const [first, ...others] = authorities;
    if (first === undefined) continue;
    if (others.length > 0) conflicts.push(host);
    const isRequired = reached.every((service) => service.authorities !== undefined && service.isRequired === true);
    policies.push({ id: `${policyIdOf(first)}`, host, authorities: first, isRequired });
  }
  return { policies, conflicts };
}
