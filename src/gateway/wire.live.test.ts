import { equal } from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { Wire, type WireUser } from './dataplane/wire.ts';

const ignore = () => undefined;

test('a connection that is cut while its end is on the way is closed, and that is told', async () => {
  const closed = Promise.withResolvers<string>();
  const user: WireUser = { onBytes: ignore, onConnected: ignore, onWritable: ignore, onEnded: ignore, onClosed: () => closed.resolve('closed') };
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => accepted.resolve(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as { readonly port: number }).port, '127.0.0.1');
  client.on('error', ignore);
  client.pause();
  const wire = Wire.accepted(await accepted.promise, user, Buffer.allocUnsafeSlow(1_024));
  const part = Buffer.alloc(4 * 1024 * 1024);
  while (!wire.write(part));
  wire.end();
  wire.reset();
  const late = setTimeout(() => closed.resolve('still open after a second'), 1_000);
  const result = await closed.promise;
  clearTimeout(late);
  client.destroy();
  server.close();
  equal(result, 'closed');
});
