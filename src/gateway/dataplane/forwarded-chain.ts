import { canonicalIp } from './ip-address.ts';

/**
 * The client that a trusted peer names: the `hops`-th address from the right of its X-Forwarded-For, whose lines were joined. Never the leftmost, which anybody
 * may write. `undefined` if there are fewer or that one is no address: then the peer itself counts, so no invented text becomes a key.
 */
export function clientIn(chain: string, hops: number): string | undefined {
  let end = chain.length;
  for (let left = hops; ; left--) {
    const comma = chain.lastIndexOf(',', end - 1);
    if (left === 1) return addressIn(chain.slice(comma + 1, end));
    if (comma <= 0) return undefined;
    end = comma;
  }
}

/** The address in `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`, in canonical form. */
export function addressIn(text: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed.length > 64) return undefined;
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<four>\d[\d.]+\d))(?::\d{1,5})?$/.exec(trimmed);
  const six = match?.groups?.['six'];
  if (six !== undefined) return six.includes(':') ? canonicalIp(six) : undefined;
  return canonicalIp(match?.groups?.['four'] ?? trimmed);
}

/** The chain with one more hop. */
export function withHop(chain: string, peer: string): string {
  return chain === '' ? peer : `${chain}, ${peer}`;
}
