import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { messageOf, PlatformError } from '#base/errors';
import type { Found } from './backend-names.ts';

/** Finds the addresses of a name. Rejects if there are none, or nobody can say. */
export type LookUp = (name: string, signal: AbortSignal) => Promise<Found>;

const WITHIN = { timeout: 2_000, tries: 2 } as const;
/** The hosts file tells no time. */
const HOSTS_TTL_SECONDS = 5;

/**
 * Asks these DNS servers (`127.0.0.1:5353`, `10.0.0.2`); with none, those of the machine, and for what they do not know whatever else the machine knows names from,
 * its hosts file above all. IPv6 addresses count only where a name has no others.
 */
export function lookUpWith(servers: readonly string[] = []): LookUp {
  return async (name, signal) => {
    const resolver = new Resolver(WITHIN);
    if (servers.length > 0) resolver.setServers(servers);
    const stop = () => resolver.cancel();
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await ask(resolver, name);
    } catch (error) {
      signal.throwIfAborted();
      if (servers.length > 0) throw error;
      return await askMachine(name, error);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  };
}

async function ask(resolver: Resolver, name: string): Promise<Found> {
  const failures: unknown[] = [];
  for (const family of ['resolve4', 'resolve6'] as const) {
    try {
      const records = await resolver[family](name, { ttl: true });
      const known = records.filter(({ address }) => isIP(address) !== 0);
      if (known.length > 0) return { addresses: known.map(({ address }) => address), ttlSeconds: Math.min(...known.map(({ ttl }) => ttl)) };
    } catch (error) {
      failures.push(error);
    }
  }
  throw new PlatformError('NOT_FOUND', `Cannot find an address of "${name}": ${failures.map(messageOf).join('; ') || 'its records are empty'}`);
}

async function askMachine(name: string, before: unknown): Promise<Found> {
  try {
    const known = await lookup(name, { all: true });
    const four = known.filter(({ family }) => family === 4);
    const used = four.length > 0 ? four : known;
    if (used.length > 0) return { addresses: used.map(({ address }) => address), ttlSeconds: HOSTS_TTL_SECONDS };
  } catch {
    // What the servers said tells more.
  }
  throw before;
}
