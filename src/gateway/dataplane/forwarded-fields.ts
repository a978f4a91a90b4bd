import type { Wire } from './wire.ts';

/** What we say of a client in each of its requests, ready to copy. Ends in the middle of the X-Request-Id line. */
export function forwardedFields(wire: Wire): { readonly peer: string; readonly fields: Buffer } {
  const address = wire.remoteAddress;
  // An IPv4 client of an IPv6 listener.
  const peer = address.startsWith('::ffff:') ? address.slice(7) : address;
  const lines = [
    `X-Forwarded-For: ${peer}`,
    `X-Real-IP: ${peer}`,
    'X-Forwarded-Proto: http',
    `X-Forwarded-Port: ${wire.localPort}`,
    'Via: 1.1 haven',
    'X-Request-Id: ',
  ];
  return { peer, fields: Buffer.from(lines.join('\r\n'), 'latin1') };
}
