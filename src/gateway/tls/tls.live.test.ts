import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import type { Address } from '#world/world';
import { monotonicNow, wallNow } from '../dataplane/clock.ts';
import { pause, RawClient, startBackend, until } from '../live-fixture.ts';
import { fileWith, startStandalone } from '../standalone/standalone-fixture.ts';
import { certificateFiles, getOver, handshake } from './tls-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });

test('the certificate is by the name asked for: exact, then a wildcard for one label, then the first; and a backend is told that it was HTTPS', async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('main', ['main.test']), await files.write('exact', ['a.wild.test']), await files.write('wild', ['*.wild.test'])];
  await using gateway = await startStandalone(world, secureFile(backend, { certificates }));
  for (const [servername, served] of [
    ['main.test', 'DNS:main.test'],
    ['A.Wild.Test', 'DNS:a.wild.test'],
    ['b.wild.test', 'DNS:*.wild.test'],
    ['c.b.wild.test', 'DNS:main.test'],
    ['wild.test', 'DNS:main.test'],
    ['other.test', 'DNS:main.test'],
    ['', 'DNS:main.test'],
  ] as const) {
    const socket = await handshake(gateway.address, { servername, ca: files.authority.chain, checkServerIdentity: () => undefined });
    equal(socket.getPeerCertificate().subjectaltname, served, servername);
    ok(socket.authorized);
    socket.destroy();
  }
  const socket = await handshake(gateway.address, { servername: 'main.test', ca: files.authority.chain });
  const answer = await getOver(socket, '/', 'main.test', 'X-Forwarded-Proto: http\r\n');
  match(answer, /^HTTP\/1\.1 200 OK/);
  match(answer, /"X-Forwarded-Proto","https"/);
  match(await getOver(socket, '/again', 'main.test'), /"url":"\/again"/);
  socket.destroy();
});

test('names that no certificate has are rejected where that is asked for, with the alert for it', async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('main', ['main.test'])];
  await using gateway = await startStandalone(world, secureFile(backend, { certificates, unknownNames: 'reject' }));
  (await handshake(gateway.address, { servername: 'main.test', ca: files.authority.chain })).destroy();
  for (const servername of ['other.test', ''])
    await rejects(handshake(gateway.address, { servername, ca: files.authority.chain }), { code: 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME' });
});

test('only TLS 1.2 with AEAD and ephemeral keys, and 1.3; no renegotiation; HTTP at this port is told where it is', async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('main', ['main.test'])];
  await using gateway = await startStandalone(world, secureFile(backend, { certificates }));
  const common = { servername: 'main.test', ca: files.authority.chain } as const;
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await handshake(gateway.address, { ...common, minVersion: version, maxVersion: version });
    equal(socket.getProtocol(), version);
    socket.destroy();
  }
  for (const version of ['TLSv1', 'TLSv1.1'] as const)
    await rejects(handshake(gateway.address, { ...common, minVersion: version, maxVersion: version, ciphers: 'DEFAULT:@SECLEVEL=0' }));
  for (const ciphers of ['ECDHE-ECDSA-AES128-SHA256', 'ECDHE-ECDSA-AES256-SHA', 'AES128-GCM-SHA256'])
    await rejects(handshake(gateway.address, { ...common, maxVersion: 'TLSv1.2', ciphers }), /handshake failure/);
  const renegotiating = await handshake(gateway.address, { ...common, maxVersion: 'TLSv1.2' });
  const refused = new Promise<Error | null>((resolve) => {
    renegotiating.on('error', resolve);
    renegotiating.renegotiate({}, resolve);
  });
  match(String(await refused), /no.renegotiation/i);
  renegotiating.destroy();
  const plain = new RawClient(gateway.address);
  plain.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  match(await plain.ended(), /^HTTP\/1\.1 400 Bad Request[\s\S]*use https/);
  await using strict = await startStandalone(world, secureFile(backend, { certificates, minVersion: 1.3 }));
  await rejects(handshake(strict.address, { ...common, maxVersion: 'TLSv1.2' }), /protocol version/);
});

test('a session is resumed by whichever worker gets the connection, and not with a certificate of another name', async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('a', ['a.test']), await files.write('b', ['b.test'])];
  await using gateway = await startStandalone(world, secureFile(backend, { certificates }, { workers: 2 }));
  const resume = async (version: 'TLSv1.2' | 'TLSv1.3', servername: string, session: Buffer | undefined) => {
    const options = { ca: files.authority.chain, servername, minVersion: version, maxVersion: version, checkServerIdentity: () => undefined } as const;
    const socket = await handshake(gateway.address, { ...options, rejectUnauthorized: false, ...(session === undefined ? {} : { session }) });
    let next = socket.getSession();
    socket.on('session', (ticket) => {
      next = ticket;
    });
    match(await getOver(socket, '/', servername), /^HTTP\/1\.1 200/);
    const isReused = socket.isSessionReused();
    socket.destroy();
    return { isReused, next: next === undefined ? undefined : bare(next) };
  };
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const first = await resume(version, 'a.test', undefined);
    equal(first.isReused, false);
    for (let i = 0; i < 8; i++) equal((await resume(version, 'a.test', first.next)).isReused, true, `${version} ${i}`);
    equal((await resume(version, 'b.test', first.next)).isReused, false);
  }
});

test('large bodies go both ways unharmed, also to a client that reads slowly', async () => {
  await using files = await certificateFiles();
  const body = randomBytes(4_000_000);
  const server = createServer((asked, response) => {
    if (asked.url === '/down') {
      response.end(body);
      return;
    }
    const hash = createHash('sha256');
    asked.on('data', (part: Buffer) => hash.update(part));
    asked.on('end', () => response.end(hash.digest('hex')));
  });
  const port = await listening(server);
  const certificates = [await files.write('main', ['main.test'])];
  await using gateway = await startStandalone(world, secureFile({ port }, { certificates }));
  const digest = createHash('sha256').update(body).digest('hex');
  for (const isChunked of [true, false]) {
    const headers = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length };
    equal((await send(gateway.address, files.authority.chain, { method: 'POST', path: '/up', headers, body })).toString(), digest);
  }
  for (const delayMs of [0, 2]) {
    const down = await send(gateway.address, files.authority.chain, { method: 'GET', path: '/down', headers: {}, delayMs });
    equal(createHash('sha256').update(down).digest('hex'), digest);
  }
  server.closeAllConnections();
  server.close();
});

test('pipelined requests are answered in order, and a client that sends its request with the end of its handshake is heard', async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('main', ['main.test'])];
  await using gateway = await startStandalone(world, secureFile(backend, { certificates }));
  const socket = await handshake(gateway.address, { servername: 'main.test', ca: files.authority.chain });
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  const count = 200;
  socket.write(Array.from({ length: count }, (_, i) => `GET /${i}. HTTP/1.1\r\nHost: main.test\r\n\r\n`).join(''));
  await until(() => text.includes(`"url":"/${count - 1}."`), 'all are answered');
  deepEqual(
    [...text.matchAll(/"url":"\/(\d+)\."/g)].map(([, i]) => Number(i)),
    Array.from({ length: count }, (_, i) => i),
  );
  socket.destroy();
});

test('a handshake that is not done in time is cut off, whether it stops or drips; others go on meanwhile', async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('main', ['main.test'])];
  await using gateway = await startStandalone(world, secureFile(backend, { certificates }));
  const began = monotonicNow();
  const ended: number[] = [];
  const silent = Array.from({ length: 200 }, () => connectPlain(gateway.address.port, gateway.address.host));
  const dripping = connectPlain(gateway.address.port, gateway.address.host);
  const drip = setInterval(() => dripping.write(Buffer.from([22, 3, 1, 1, 0, 1])), 500);
  dripping.write(Buffer.from([22, 3, 1, 2, 0]));
  for (const socket of [...silent, dripping]) {
    socket.on('error', () => undefined);
    socket.once('close', () => ended.push(monotonicNow() - began));
  }
  await pause(500);
  const socket = await handshake(gateway.address, { servername: 'main.test', ca: files.authority.chain });
  match(await getOver(socket, '/', 'main.test'), /^HTTP\/1\.1 200/);
  socket.destroy();
  await until(async () => (await gateway.status()).clients >= 200, 'connections that are not secure yet are counted');
  await until(() => ended.length === 201, 'all are cut off', 15_000);
  clearInterval(drip);
  ok(Math.min(...ended) > 9_000 && Math.max(...ended) < 13_000, `${Math.min(...ended)} to ${Math.max(...ended)} ms`);
});

test('certificates are replaced under load: no request fails, new connections get the new one, old ones go on; a bad one is refused and changes nothing', async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('main', ['main.test'])];
  await using gateway = await startStandalone(world, secureFile(backend, { certificates }, { workers: 2 }));
  const serial = async () => {
    const socket = await handshake(gateway.address, { servername: 'main.test', ca: files.authority.chain });
    const { serialNumber } = socket.getPeerCertificate();
    match(await getOver(socket, '/', 'main.test'), /^HTTP\/1\.1 200/);
    socket.destroy();
    return serialNumber;
  };
  const old = await handshake(gateway.address, { servername: 'main.test', ca: files.authority.chain });
  const kept = await handshake(gateway.address, { servername: 'main.test', ca: files.authority.chain });
  const load = { isOn: true, done: 0 };
  const running = [serial, async () => await getOver(kept, '/', 'main.test')].map(async (once) => {
    while (load.isOn) {
      await once();
      load.done++;
    }
  });
  const seen = new Set<string>([await serial()]);
  for (let i = 0; i < 4; i++) {
    await files.write('main', ['main.test']);
    await gateway.reload();
    seen.add(await serial());
    await pause(100);
  }
  equal(seen.size, 5);
  await files.write('other', ['main.test']);
  gateway.file.value = secureFile(backend, { certificates: [{ ...certificates[0], key: `${files.folder}/other.key` }] }, { workers: 2 });
  await rejects(gateway.reload(), {
    code: 'INVALID',
    message: /listen\.tls\.certificates\.0 cannot be used .* because the key is not that of the certificate/,
  });
  equal(seen.has(await serial()), true);
  load.isOn = false;
  await Promise.all(running);
  ok(load.done > 20, `${load.done} requests`);
  match(await getOver(old, '/old', 'main.test'), /"url":"\/old"/);
  old.destroy();
  kept.destroy();
});

test('HTTP is sent to HTTPS with method, path and query, but not who asks for the proof that we own a host', async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('main', ['main.test'])];
  const listen = [
    { address: '127.0.0.1:0', redirect: 8443 },
    { address: '127.0.0.2:0', tls: { certificates } },
  ];
  await using gateway = await startStandalone(world, fileWith({ backends: [`127.0.0.1:${backend.port}`] }, { listen }));
  const client = new RawClient(gateway.address);
  client.send('POST /a/b?c=d HTTP/1.1\r\nHost: main.test:80\r\nContent-Length: 2\r\n\r\nhi');
  match(await client.receive('use HTTPS\n'), /^HTTP\/1\.1 308 Permanent Redirect\r\n[\s\S]*\r\nLocation: https:\/\/main\.test:8443\/a\/b\?c=d\r\n/);
  client.close();
  const other = new RawClient(gateway.address);
  other.send('GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: main.test\r\n\r\n');
  match(await other.receive('"url"'), /^HTTP\/1\.1 200/);
  other.close();
});

test('a request for a host with another certificate is told to come over a connection of its own; for one with the same it is served', async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('a', ['a.test', 'a2.test']), await files.write('b', ['b.test'])];
  await using gateway = await startStandalone(world, secureFile(backend, { certificates }));
  const socket = await handshake(gateway.address, { servername: 'a.test', ca: files.authority.chain });
  for (const [host, status] of [
    ['a.test', 200],
    ['A.TEST:443', 200],
    ['a2.test', 200],
    ['b.test', 421],
    ['a.test', 200],
    ['unknown.test', 200],
    ['b.test.', 421],
  ] as const)
    match(await getOver(socket, '/', host), new RegExp(`^HTTP/1\\.1 ${status} `), host);
  socket.destroy();
});

test('a service that wants a certificate of its clients gets no request without one: not by another name, not without TLS, not by what a client claims', async () => {
  await using files = await certificateFiles();
  await using others = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('all', ['open.test', 'closed.test', 'mixed.test'])];
  const backends = [`127.0.0.1:${backend.port}`];
  const clientCa = `${files.folder}/authority.pem`;
  const file = {
    listen: [{ address: '127.0.0.1:0', tls: { certificates } }, '127.0.0.2:0'],
    routes: [
      { host: 'open.test', service: 'open' },
      { host: 'closed.test', service: 'closed' },
      { host: 'mixed.test', service: 'open' },
      { host: 'mixed.test', path: '/closed', service: 'closed' },
    ],
    services: { open: { backends }, closed: { backends, clientCa } },
  };
  await using gateway = await startStandalone(world, fileWith({ backends }, file));
  const alice = await files.client('alice');
  const stranger = await others.client('alice');
  const open = async (servername: string, identity?: { readonly chain: string; readonly key: string }) =>
    await handshake(gateway.address, { servername, ca: files.authority.chain, ...(identity === undefined ? {} : { cert: identity.chain, key: identity.key }) });
  const status = async (servername: string, host: string, path: string, identity?: { readonly chain: string; readonly key: string }) => {
    const socket = await open(servername, identity);
    try {
      return /^HTTP\/1\.1 (\d+)/.exec(await getOver(socket, path, host))?.[1];
    } catch {
      return 'closed';
    } finally {
      socket.destroy();
    }
  };
  equal(await status('closed.test', 'closed.test', '/', alice), '200');
  equal(await status('closed.test', 'closed.test', '/'), 'closed');
  equal(await status('closed.test', 'closed.test', '/', stranger), 'closed');
  equal(await status('open.test', 'open.test', '/'), '200');
  equal(await status('open.test', 'closed.test', '/'), '421');
  equal(await status('open.test', 'closed.test', '/', alice), '421');
  equal(await status('mixed.test', 'mixed.test', '/'), '200');
  equal(await status('mixed.test', 'mixed.test', '/closed'), '403');
  equal(await status('mixed.test', 'mixed.test', '/closed', stranger), '403');
  equal(await status('mixed.test', 'mixed.test', '/closed', alice), '200');
  const plain = new RawClient(gateway.listeners[1] as Address);
  plain.send('GET / HTTP/1.1\r\nHost: closed.test\r\nX-Forwarded-Client-Cert: Hash=1\r\n\r\n');
  match(await plain.receive('\r\n\r\n'), /^HTTP\/1\.1 403 /);
  plain.close();
  const socket = await open('closed.test', alice);
  const claims =
    'X-Forwarded-Client-Cert: Hash=1\r\nX-Client-Verify: SUCCESS\r\nX-SSL-Client-Cert: x\r\nClient-Cert: :AA==:\r\nSSL_CLIENT_CERT: x\r\nX-Client-Version: 7\r\n';
  const answer = await getOver(socket, '/', 'closed.test', claims);
  match(answer, /"X-Forwarded-Client-Cert","Hash=[0-9a-f]{64};Subject=\\"CN=alice\\""/);
  match(answer, /"X-Client-Version","7"/);
  equal(/Hash=1(?![0-9a-f])|SUCCESS|SSL|"Client-Cert"/.test(answer), false);
  socket.destroy();
});

test('metrics tell handshakes by kind, errors by reason, and until when certificates are valid', async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const certificates = [await files.write('main', ['main.test'])];
  await using gateway = await startStandalone(world, secureFile(backend, { certificates, unknownNames: 'reject' }));
  const socket = await handshake(gateway.address, { servername: 'main.test', ca: files.authority.chain });
  match(await getOver(socket, '/', 'main.test'), /^HTTP\/1\.1 200/);
  socket.destroy();
  await rejects(handshake(gateway.address, { servername: 'other.test', ca: files.authority.chain }));
  const page = await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text();
  match(page, /^haven_gateway_tls_handshakes_total\{kind="full"\} 1$/m);
  match(page, /^haven_gateway_tls_errors_total\{reason="unknown-name"\} 1$/m);
  const expiry = Number(/^haven_gateway_certificate_expiry_seconds\{certificate="main\.test"\} (\d+)$/m.exec(page)?.[1]);
  ok(Math.abs(expiry - wallNow() / 1_000 - 20 * 86_400) < 100, `${expiry}`);
});

function secureFile(backend: { readonly port: number }, tls: object, more: object = {}): object {
  return fileWith({ backends: [`127.0.0.1:${backend.port}`] }, { listen: { address: '127.0.0.1:0', tls }, ...more });
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

/** Node writes before a session for whom it was, and does not resume it for another; a client that cheats does. */
function bare(session: Buffer): Buffer {
  const prefix = Buffer.from('\0nodejs:tls:session:1\0');
  return session.indexOf(prefix) === 0 ? session.subarray(prefix.length + 2 + session.readUInt16BE(prefix.length)) : session;
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: Buffer;
  /** Between two reads of the answer. */
  readonly delayMs?: number;
}

async function send(address: Address, ca: string, { body, delayMs = 0, ...sent }: Sent): Promise<Buffer> {
  const done = Promise.withResolvers<Buffer>();
  const outgoing = request({ host: address.host, port: address.port, servername: 'main.test', ca, agent: false, ...sent }, async (response) => {
    const parts: Buffer[] = [];
    for await (const part of response) {
      parts.push(part as Buffer);
      if (delayMs > 0) await pause(delayMs);
    }
    done.resolve(Buffer.concat(parts));
  });
  outgoing.on('error', done.reject);
  outgoing.end(body);
  return await done.promise;
}
