import type { Socket } from 'node:net';
import { after } from './clock.ts';
import { LIMITS } from './limits.ts';

/** How a client that knows that we speak HTTP/2 begins (RFC 9113, 3.4). No request of HTTP/1.1 that we serve begins with it. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * Finds out from the first bytes of a paused socket whether its client speaks HTTP/2 without having asked. Calls back once, with all bytes in the socket again; a
 * socket that says nothing in time, or ends, is closed without a word.
 */
export function readProtocol(socket: Socket, done: (protocol: 'http/1.1' | 'h2' | undefined) => void): void {
  let bytes = Buffer.alloc(0);
  const finish = (protocol: 'http/1.1' | 'h2' | undefined) => {
    timeout[Symbol.dispose]();
    socket.off('readable', onReadable);
    socket.off('close', onClosed);
    socket.off('end', onClosed);
    if (protocol === undefined) socket.destroy();
    else {
      socket.off('error', ignore);
      socket.unshift(bytes);
    }
    done(protocol);
  };
  const onReadable = () => {
    for (let part: Buffer | null = socket.read(); part !== null; part = socket.read()) bytes = Buffer.concat([bytes, part]);
    const seen = Math.min(bytes.length, PREFACE.length);
    if (!bytes.subarray(0, seen).equals(PREFACE.subarray(0, seen))) finish('http/1.1');
    else if (seen === PREFACE.length) finish('h2');
    else if (socket.readableEnded || socket.destroyed) onClosed();
  };
  const onClosed = () => finish(undefined);
  const timeout = after(LIMITS.headTimeoutMs, onClosed);
  socket.on('error', ignore);
  socket.on('close', onClosed);
  socket.on('end', onClosed);
  socket.on('readable', onReadable);
}

function ignore(): void {}
