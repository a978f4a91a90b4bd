import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/**
 * Cuts a connection so that the other side sees an error and not an end. One whose end is on the way, its own or that of the TLS over it, is only closed, for libuv
 * resets none of those: Node would keep it open for ever, and a process that ends by itself would not end. One that is not open yet is given up: Node would wait until it is.
 */
export function resetSocket(socket: Socket, tls?: TLSSocket): void {
  if (socket.connecting || isEnding(socket) || (tls !== undefined && isEnding(tls))) socket.destroy();
  else socket.resetAndDestroy();
}

function isEnding({ writableEnded, writableFinished }: Socket): boolean {
  return writableEnded && !writableFinished;
}
