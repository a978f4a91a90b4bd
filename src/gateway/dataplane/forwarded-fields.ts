import type { Origin } from './origin.ts';

/** What we say of a client in each of its requests, ready to copy. Ends in the middle of the X-Request-Id line. */
export function forwardedFields({ peer, port, scheme }: Origin): Buffer {
  const lines = [
    `X-Forwarded-For: ${peer}`,
    `X-Real-IP: ${peer}`,
    `X-Forwarded-Proto: ${scheme}`,
    `X-Forwarded-Port: ${port}`,
    'Via: 1.1 haven',
    'X-Request-Id: ',
  ];
  return Buffer.from(lines.join('\r\n'), 'latin1');
}
