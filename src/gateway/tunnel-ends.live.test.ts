import { deepEqual } from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectSecure } from 'node:tls';
import type { Address } from '#world/world';
import { startDataplane } from './fixture-dataplane.ts';
import { backendAt, pause, routeTo } from './live-fixture.ts';
import { anyNameTls } from './tls/tls-fixture.ts';

const UPGRADE =
  'HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const AGREED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';
/** More than the kernel keeps for a client that does not read, by other amounts. */
const SIZES = Array.from({ length: 16 }, (_, at) => 5_000_000 + at * 213_457);

/** How many bytes come through a tunnel whose backend sends them once the client has ended its own side, and then ends as well; the client does not read meanwhile. */
async function bytesOf(socket: Socket, size: number): Promise<number> {
  socket.on('error', () => undefined);
  socket.write(`GET /${size} ${UPGRADE}`);
  await once(socket, 'readable');
  let got = socket.read().length - AGREED.length;
  socket.end();
  await pause(300);
  socket.on('data', (part: Buffer) => {
    got += part.length;
  });
  await once(socket, 'close');
  return got;
}

for (const protocol of ['plain', 'TLS'] as const) {
  test(`${protocol}: a client that is slow gets all that a tunnel's backend sent before it ended`, { timeout: 30_000 }, async () => {
    await using backend = createServer({ allowHalfOpen: true }, (socket) => {
      let size = 0;
      socket.on('error', () => undefined);
      socket.once('data', (head) => {
        size = Number(/^GET \/(\d+)/.exec(head.toString())?.[1]);
        socket.write(AGREED);
      });
      socket.on('end', () => socket.end(Buffer.alloc(size)));
    });
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    const { port } = backend.address() as unknown as Address;
    using live = await startDataplane([routeTo([backendAt(1, port)])], protocol === 'TLS' ? { tls: await anyNameTls(['http/1.1']) } : {});
    const open = () => {
      const raw = connect({ ...live.address, allowHalfOpen: true });
      return protocol === 'plain' ? raw : connectSecure({ socket: raw, allowHalfOpen: true, rejectUnauthorized: false } as object);
    };
    deepEqual(await Promise.all(SIZES.map((size) => bytesOf(open(), size))), SIZES);
  });
}
