import { BlockList, isIP, SocketAddress } from 'node:net';

/** The one way in which we write this address, or `undefined` if it is none: IPv6 by RFC 5952, IPv4 that was mapped into IPv6 as IPv4, no zone. */
export function canonicalIp(text: string): string | undefined {
  const version = isIP(text);
  if (version === 4) return text;
  if (version === 0 || text.includes('%')) return undefined;
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** An address as a socket tells it: `::ffff:1.2.3.4` is the IPv4 client of an IPv6 listener, and `fe80::1%eth0` has a zone that says nothing to others. */
export function peerIp(text: string): string {
  return canonicalIp(text.split('%', 1)[0] as string) ?? text;
}

/** Addresses in `10.0.0.0/8`, `fd00::/8` or `192.0.2.1`; `undefined` if the text is none of these. */
export function parseCidr(text: string): { readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6' } | undefined {
  const match = /^(?<address>[0-9a-fA-F:.]{2,45})(?:\/(?<bits>\d{1,3}))?$/.exec(text);
  const address = match?.groups?.['address'] ?? '';
  const version = isIP(address);
  if (version === 0) return undefined;
  const most = version === 4 ? 32 : 128;
  const bits = Number(match?.groups?.['bits'] ?? most);
  return bits > most ? undefined : { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** A set of addresses, asked once per connection or per name in a chain. */
export class AddressSet {
  readonly #list = new BlockList();

  /** Texts that are no ranges add nothing: the configuration has refused them already. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const cidr = parseCidr(range);
      if (cidr !== undefined) this.#list.addSubnet(cidr.address, cidr.bits, cidr.family);
    }
  }

  /** `address` in canonical form. */
  has(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#list.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }
}
