import type { Socket } from 'node:net';

/**
 * Cuts a connection so that the other side sees an error and not an end. One whose end is on the way behind bytes that were not taken yet is only closed, for the system
 * resets none of those: Node would keep it open for ever. One that is not open yet is given up: Node would wait until it is.
 */
export function resetSocket(socket: Socket): void {
  if (socket.connecting || (socket.writableEnded && !socket.writableFinished)) socket.destroy();
  else socket.resetAndDestroy();
}
