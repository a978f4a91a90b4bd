import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { connect as connectSecurely } from 'node:tls';
import { nodeWorld } from '#world/node/node-world';
import type { Address } from '#world/world';
import { pause, RawClient, startBackend } from './live-fixture.ts';
import { fileWith, type Running, startStandalone } from './standalone/standalone-fixture.ts';
import { certificateFiles, getOver } from './tls/tls-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const REQUEST = 'GET /who HTTP/1.1\r\nHost: x\r\n\r\n';
const LINE = 'PROXY TCP4 203.0.113.9 198.51.100.1 4711 8443\r\n';
const BINARY = Buffer.from(
  '0d0a0d0a000d0a515549540a' + '2121' + '0024' + '20010db8000000000000000000000009' + '20010db8000000000000000000000001' + '126701bb',
  'hex',
);

/** Fields of the request as the backend saw them, by lower-case name. */
function seenIn(text: string): Readonly<Record<string, string>> {
  const raw = (JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as { headers: string[] }).headers;
  return Object.fromEntries(raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1] ?? '']] : [])));
}

async function gatewayFor(port: number, listen: readonly unknown[], service: object = {}): Promise<Running> {
  return await startStandalone(world, fileWith({ backends: [`127.0.0.1:${port}`], ...service }, { listen }));
}

async function refusals(gateway: Running): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.admin.port}/metrics`)).text();
  return text
    .split('\n')
    .flatMap((line) => /^haven_gateway_parse_errors_total\{reason="(proxy-.*)"\} (\d+)$/.exec(line)?.slice(1, 3).join(' ') ?? [])
    .join(', ');
}

async function askThrough(address: Address, parts: readonly (string | Buffer)[], pauseMs = 20): Promise<string> {
  const client = new RawClient(address);
  for (const part of parts) {
    client.send(part);
    if (parts.length > 1) await pause(pauseMs);
  }
  const text = await client.receive(/"posts":\d+\}/);
  client.close();
  return text;
}

test('the client that a trusted proxy names is the one backends see, whatever pieces its header comes in', async () => {
  await using backend = await startBackend();
  await using gateway = await gatewayFor(backend.port, [{ address: '127.0.0.1:0', proxyProtocol: ['127.0.0.0/8'] }]);
  for (const parts of [[LINE + REQUEST], [LINE, REQUEST], [...LINE, REQUEST]]) {
    const seen = seenIn(await askThrough(gateway.address, parts, 1));
    deepEqual(
      [seen['x-forwarded-for'], seen['x-real-ip'], seen['x-forwarded-port'], seen['x-forwarded-proto']],
      ['203.0.113.9', '203.0.113.9', '8443', 'http'],
    );
  }
  const whole = Buffer.concat([BINARY, Buffer.from(REQUEST)]);
  for (const at of [0, 1, 12, 15, 16, 20, 51, 52, 53]) {
    const seen = seenIn(await askThrough(gateway.address, [whole.subarray(0, at), whole.subarray(at)]));
    deepEqual([seen['x-forwarded-for'], seen['x-forwarded-port']], ['2001:db8::9', '443'], `cut at ${at}`);
  }
  const local = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');
  for (const header of ['PROXY UNKNOWN\r\n', local]) equal(seenIn(await askThrough(gateway.address, [header, REQUEST]))['x-forwarded-for'], '127.0.0.1');
  // The connection goes on, and every request of it is this client's.
  const client = new RawClient(gateway.address);
  client.send(LINE + REQUEST + REQUEST);
  const text = await client.receive(/"posts":\d+\}[\s\S]*"posts":\d+\}/);
  equal(text.match(/"X-Forwarded-For","203\.0\.113\.9"/g)?.length, 2);
  client.close();
  equal(await refusals(gateway), '');
});

test('a connection without a whole header is ended and nothing of it is looked at; a balancer that only looks in is not counted', async () => {
  await using backend = await startBackend();
  await using gateway = await gatewayFor(backend.port, [{ address: '127.0.0.1:0', proxyProtocol: ['127.0.0.1'] }]);
  for (const bytes of [
    REQUEST,
    LINE.replace('\r\n', '\n') + REQUEST,
    `PROXY UNKNOWN ${'x'.repeat(100)}\r\n${REQUEST}`,
    Buffer.concat([BINARY.subarray(0, 15), Buffer.from([0x23]), BINARY.subarray(16), Buffer.from(REQUEST)]),
    Buffer.concat([BINARY.subarray(0, 15), Buffer.from([0x26]), BINARY.subarray(16), Buffer.from(REQUEST)]),
  ]) {
    const client = new RawClient(gateway.address);
    client.send(bytes);
    equal(await client.ended(), '');
  }
  const early = new RawClient(gateway.address);
  early.send('PROXY TCP4 203');
  await pause(50);
  early.socket.end();
  equal(await early.ended(), '');
  const looking = new RawClient(gateway.address);
  await pause(50);
  looking.close();
  const slow = new RawClient(gateway.address);
  slow.send('PROXY TCP4 203.0.113.9 ');
  await pause(2_500);
  equal(slow.isEnded, false);
  equal(await slow.ended(2_000), '');
  equal(await refusals(gateway), 'proxy-no-header 2, proxy-bad-line 1, proxy-too-large 1, proxy-bad-length 1, proxy-bad-extension 1, proxy-timeout 1');
});

test('nobody else is believed: the header of a stranger is a bad request, and without one he is served as who he is', async () => {
  await using backend = await startBackend();
  await using gateway = await gatewayFor(backend.port, [{ address: '127.0.0.1:0', proxyProtocol: ['192.0.2.0/24'] }, '127.0.0.2:0']);
  for (const address of gateway.listeners) {
    const client = new RawClient(address);
    client.send(LINE + REQUEST);
    match(await client.ended(), /^HTTP\/1\.1 400 /);
    equal(seenIn(await askThrough(address, [REQUEST]))['x-forwarded-for'], '127.0.0.1');
  }
});

test("the header comes before TLS, in one piece with its first bytes or not; the request is then this client's and secure", async () => {
  await using files = await certificateFiles();
  await using backend = await startBackend();
  const tls = { certificates: [await files.write('main', ['main.test'])] };
  await using gateway = await gatewayFor(backend.port, [{ address: '127.0.0.1:0', proxyProtocol: ['127.0.0.1'], tls }]);
  for (const header of [LINE, BINARY]) {
    const raw = connect({ host: gateway.address.host, port: gateway.address.port });
    // Corked: header and ClientHello go together, and then apart.
    if (header === LINE) raw.cork();
    raw.write(header);
    const secure = connectSecurely({ socket: raw, servername: 'main.test', ca: files.authority.chain });
    if (header === LINE) process.nextTick(() => raw.uncork());
    await once(secure, 'secureConnect');
    const seen = seenIn(await getOver(secure, '/', 'main.test'));
    deepEqual([seen['x-forwarded-for'], seen['x-forwarded-proto']], [header === LINE ? '203.0.113.9' : '2001:db8::9', 'https']);
    secure.destroy();
  }
  const without = new RawClient(gateway.address);
  without.send(Buffer.from('16030100', 'hex'));
  equal(await without.ended(), '');
  equal(await refusals(gateway), 'proxy-no-header 1');
});

test('rate limits and hashing go by the client that the proxy names, and a reload changes who is believed', async () => {
  await using a = await startBackend({ name: 'a' });
  await using b = await startBackend({ name: 'b' });
  const listen = [{ address: '127.0.0.1:0', proxyProtocol: ['127.0.0.1'] }];
  await using gateway = await startStandalone(
    world,
    fileWith({ backends: [a.port, b.port].map((port) => `127.0.0.1:${port}`), balance: 'hash', rateLimit: { rate: '1/m', burst: 3 } }, { listen }),
  );
  const lineOf = (last: number) => LINE.replace('203.0.113.9', `203.0.113.${last}`);
  const homes = new Set<string>();
  for (let last = 1; last <= 10; last++) {
    const names = new Set<string>();
    for (let i = 0; i < 3; i++) names.add(/"name":"(.)"/.exec(await askThrough(gateway.address, [lineOf(last) + REQUEST]))?.[1] ?? '');
    equal(names.size, 1);
    for (const name of names) homes.add(name);
    const client = new RawClient(gateway.address);
    client.send(lineOf(last) + REQUEST);
    match(await client.receive(/\r\n\r\n/), /^HTTP\/1\.1 429 /);
    client.close();
  }
  deepEqual([...homes].sort(), ['a', 'b']);
  gateway.file.value = fileWith({ backends: [`127.0.0.1:${a.port}`] }, { listen: '127.0.0.1:0' });
  await gateway.reload();
  const client = new RawClient(gateway.address);
  client.send(LINE + REQUEST);
  match(await client.ended(), /^HTTP\/1\.1 400 /, 'the listener stays open, but believes nobody now');
  ok((await askThrough(gateway.address, [REQUEST])).startsWith('HTTP/1.1 200 '));
});
