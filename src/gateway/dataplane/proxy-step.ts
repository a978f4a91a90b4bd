import type { Socket } from 'node:net';
import { after } from './clock.ts';
import { LIMITS } from './limits.ts';
import { type ProxyFault, type ProxyHeader, parseProxyHeader } from './proxy-header.ts';

/** Who the header says is there. `why` is missing if the other side left before it had said anything. */
export type ProxyOutcome = Extract<ProxyHeader, { readonly kind: 'local' | 'proxied' }> | { readonly kind: 'refused'; readonly why?: ProxyFault | 'timeout' };

/**
 * Reads the PROXY protocol's header from a paused socket, before anything else of the connection is looked at. Calls back once; what came behind the header is
 * in the socket again. A socket that is refused is closed.
 */
export function readProxyHeader(socket: Socket, done: (outcome: ProxyOutcome) => void): void {
  let bytes = Buffer.alloc(0);
  const finish = (outcome: ProxyOutcome) => {
    timeout[Symbol.dispose]();
    socket.off('readable', onReadable);
    socket.off('close', onClosed);
    socket.off('end', onClosed);
    if (outcome.kind === 'refused') socket.destroy();
    else {
      socket.off('error', ignore);
      if (outcome.end < bytes.length) socket.unshift(bytes.subarray(outcome.end));
    }
    done(outcome);
  };
  const onReadable = () => {
    for (let part: Buffer | null = socket.read(); part !== null; part = socket.read()) bytes = Buffer.concat([bytes, part]);
    const header = parseProxyHeader(bytes);
    if (header.kind === 'bad') finish({ kind: 'refused', why: header.why });
    else if (header.kind !== 'more') finish(header);
    else if (socket.readableEnded || socket.destroyed) onClosed();
  };
  // Balancers look whether somebody is there by opening a connection and closing it.
  const onClosed = () => finish(bytes.length === 0 ? { kind: 'refused' } : { kind: 'refused', why: 'no-header' });
  const timeout = after(LIMITS.proxyHeaderMs, () => finish({ kind: 'refused', why: 'timeout' }));
  socket.on('error', ignore);
  socket.on('close', onClosed);
  socket.on('end', onClosed);
  socket.on('readable', onReadable);
}

function ignore(): void {}
