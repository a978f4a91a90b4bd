import { isIP } from 'node:net';
import { formatAddress } from '#base/host-port';
import type { InstanceId } from '#model/instance';
import type { Backend, Route } from '#model/route';

/** Times of looking names up. */
export const LOOKUP = { leastMs: 1_000, mostMs: 60_000 } as const;

/** Of one name: more backends than this are not what it was meant to say. */
export const MOST_ADDRESSES = 256;

/** What a look-up of a name found: its addresses and for how long they hold, in seconds. */
export interface Found {
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}

/** The names among the addresses of backends, each once. */
export function namesIn(routes: readonly Route[]): readonly string[] {
  const hosts = routes.flatMap(({ backends }) => backends.map(({ address }) => address.host));
  return [...new Set(hosts.filter((host) => isIP(host) === 0))];
}

/**
 * The routes with a backend for each address of a name in the place of the name, each with its weight, tier and state; none while nothing was found for it.
 * An address that a service has already is not used twice.
 */
export function withAddresses(routes: readonly Route[], found: ReadonlyMap<string, readonly string[]>): readonly Route[] {
  return routes.map((route) => {
    if (namesIn([route]).length === 0) return route;
    const seen = new Set(route.backends.map(({ address }) => formatAddress(address)));
    return { ...route, backends: route.backends.flatMap((backend) => resolved(route, backend, { found, seen })) };
  });
}

function resolved(
  { service }: Route,
  backend: Backend,
  { found, seen }: { readonly found: ReadonlyMap<string, readonly string[]>; readonly seen: Set<string> },
): readonly Backend[] {
  const { host, port } = backend.address;
  if (isIP(host) !== 0) return [backend];
  return (found.get(host) ?? []).flatMap((address) => {
    const name = formatAddress({ host: address, port });
    if (seen.has(name)) return [];
    seen.add(name);
    return [{ ...backend, id: `${service}/${name}` as InstanceId, name, address: { host: address, port } }];
  });
}

/** Each address once, in an order that does not change when a server turns its answer round. */
export function ordered(addresses: readonly string[]): readonly string[] {
  return [...new Set(addresses)].sort().slice(0, MOST_ADDRESSES);
}

/** How long what was found holds. */
export function holdMs({ ttlSeconds }: Found): number {
  return Math.min(LOOKUP.mostMs, Math.max(LOOKUP.leastMs, ttlSeconds * 1_000));
}

/** How long to wait after so many look-ups in a row that found nothing: doubled each time. */
export function retryMs(failures: number): number {
  return Math.min(LOOKUP.mostMs, LOOKUP.leastMs * 2 ** Math.min(failures - 1, 10));
}
