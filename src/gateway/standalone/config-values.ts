import { isIP } from 'node:net';
import type { Address } from '#world/world';

/** In lower case. */
export const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** A name of the DNS, with the underscores that some give to their services. A last label of digits alone is a mistyped address. */
const NAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?!\d+$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** The address in `127.0.0.1:3000`, `[::1]:3000` or `localhost:3000`, or why it is none, to go on after its path. */
export function parseAddress(text: string): Address | string {
  const address = parseHostPort(text);
  if (typeof address === 'string') return address;
  if (isIP(address.host) === 0) return `must be an IP address: "${address.host.slice(0, 60)}" is a name, and names are for backends only`;
  return address;
}

/** The same for a backend, which may have a name: `api.internal:3000`, in lower case. */
export function parseBackend(text: string): Address | string {
  if (/^(?:unix:|\/)/.test(text)) return 'is a unix socket, and backends are reached by TCP only: let it listen on a loopback port, such as "127.0.0.1:3000"';
  if (/^https?:\/\//.test(text))
    return 'must be an address with a port and nothing before it, such as "127.0.0.1:3000": backends are spoken to in HTTP/1.1 without TLS';
  const address = parseHostPort(text);
  if (typeof address === 'string' || isIP(address.host) !== 0) return address;
  const host = address.host.toLowerCase();
  return NAME.test(host) ? { host, port: address.port } : `must have an IP address or a name such as "api.internal", but "${host.slice(0, 60)}" is neither`;
}

function parseHostPort(text: string): Address | string {
  const match = /^(?:\[(?<six>[^\]]*)\]|(?<plain>[^:[\]]*)):(?<port>\d{1,5})$/.exec(text);
  const host = match?.groups?.['six'] ?? match?.groups?.['plain'];
  const port = Number(match?.groups?.['port']);
  if (host === undefined || host === '' || port > 65_535) return 'must be an address with a port, such as "127.0.0.1:3000" or "[::1]:3000"';
  if (host === 'localhost') return { host: '127.0.0.1', port };
  return { host, port };
}

/** The address in a text that was checked. */
export function addressOf(text: string): Address {
  const address = parseBackend(text);
  return typeof address === 'string' ? { host: '', port: 0 } : address;
}

/** False for what is an address of another kind; what is none at all is for others to say. */
export function isLoopback(text: string): boolean {
  const address = parseAddress(text);
  return typeof address === 'string' || /^(?:127\.|::1$)/.test(address.host);
}

/** Nobody can listen on both: they are the same, or one is every address of the machine and has the other's connections. Port 0 is one that is free. */
export function overlap(one: Address, other: Address): boolean {
  return one.port === other.port && one.port !== 0 && (one.host === other.host || takesAllOf(one.host, other.host) || takesAllOf(other.host, one.host));
}

/** `::` has the connections by IPv4 too. */
function takesAllOf(wide: string, host: string): boolean {
  return wide === '::' || (wide === '0.0.0.0' && isIP(host) === 4);
}
