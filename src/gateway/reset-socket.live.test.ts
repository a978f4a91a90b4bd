import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectSecure, createSecureContext, TLSSocket } from 'node:tls';
import { after, soon } from './dataplane/clock.ts';
import { resetSocket } from './dataplane/reset-socket.ts';
import { anyNameTls } from './tls/tls-fixture.ts';

const MOMENTS: Readonly<Record<string, (then: () => void) => void>> = {
  'at once': (then) => then(),
  'a turn later': soon,
  'a moment later': (then) => after(1, then),
};

for (const [moment, at] of Object.entries(MOMENTS)) {
  test(`a TLS connection that is cut ${moment} while its end is on the way is closed`, async () => {
    const [certificate] = (await anyNameTls(['http/1.1'])).certificates;
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { readonly port: number };
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = connectSecure({ host: '127.0.0.1', port, rejectUnauthorized: false });
    client.on('error', () => undefined);
    const [raw] = await accepted;
    const tls = new TLSSocket(raw, { isServer: true, secureContext: createSecureContext({ cert: certificate?.chain, key: certificate?.key }) });
    await once(client, 'secureConnect');
    const closed = once(raw, 'close', { signal: AbortSignal.timeout(2_000) });
    raw.on('error', () => undefined);
    tls.end(moment === 'a moment later' ? 'last words' : '');
    at(() => resetSocket(raw, tls));
    await closed;
    client.destroy();
    server.close();
  });
}
