import { formatAddress } from '#base/host-port';
import type { Address } from '#world/world';
import { after } from './clock.ts';
import { StreamWire } from './stream-wire.ts';

const bufferBytes = 1024;

/** Asks a backend for any answer at all, on a connection of its own. Calls back once: true if it answered in time, whatever it said. */
export function probe(address: Address, options: { readonly path: string; readonly timeoutMs: number }, done: (answered: boolean) => void): void {
  let isDone = false;
  const finish = (answered: boolean) => {
    if (isDone) return;
    isDone = true;
    timer[Symbol.dispose]();
    wire.destroy();
    done(answered);
  };
  const timer = after(options.timeoutMs, () => finish(false));
  const wire = StreamWire.connected(
    address,
    {
      onConnected: () => {
        wire.writeText(`HEAD ${options.path} HTTP/1.1\r\nHost: ${formatAddress(address)}\r\nUser-Agent: haven-gateway\r\nConnection: close\r\n\r\n`);
      },
      onBytes: (bytes, count) => finish(bytes.toString('latin1', 0, Math.min(count, 7)) === 'HTTP/1.'),
      onWritable: () => undefined,
      onEnded: () => finish(false),
      onClosed: () => finish(false),
    },
    Buffer.allocUnsafe(bufferBytes),
  );
}
