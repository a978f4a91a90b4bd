import { deepEqual, equal, match } from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import { startBackend, until } from './live-fixture.ts';
import { fileWith, get, startStandalone } from './standalone/standalone-fixture.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });

/** Fields of the request as the backend saw them, by lower-case name. */
function seenIn(text: string): Readonly<Record<string, string>> {
  const raw = (JSON.parse(text) as { headers: string[] }).headers;
  return Object.fromEntries(raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1] ?? '']] : [])));
}

test('behind a trusted proxy each request has its own client: for backends, rate limits and the log; a stranger is who he is', async () => {
  await using backend = await startBackend();
  const accessLog = join(tmpdir(), `haven-trust-${process.pid}`);
  const service = { backends: [`127.0.0.1:${backend.port}`], rateLimit: { rate: '1/m', burst: 2 } };
  const listen = ['127.0.0.1:0', { address: '127.0.0.2:0', trust: { from: ['192.0.2.1'], hops: 2 } }];
  await using gateway = await startStandalone(world, fileWith(service, { listen, trust: ['127.0.0.0/8'], accessLog }));
  const [trusting, other] = gateway.listeners;
  if (trusting === undefined || other === undefined) throw new Error('two listeners');
  for (const last of [1, 2, 3]) {
    const headers = { 'x-forwarded-for': `6.6.6.6, 203.0.113.${last}`, 'x-forwarded-proto': 'https', connection: 'keep-alive' };
    const answer = await get(trusting, headers);
    const seen = seenIn(answer.text);
    deepEqual([seen['x-real-ip'], seen['x-forwarded-for'], seen['x-forwarded-proto']], [`203.0.113.${last}`, `6.6.6.6, 203.0.113.${last}, 127.0.0.1`, 'https']);
    equal((await get(trusting, headers)).status, 200);
    equal((await get(trusting, headers)).status, 429, 'the third request of this client');
  }
  // An invented client is nobody: it counts for the proxy.
  for (const status of [200, 200, 429, 429]) equal((await get(trusting, { 'x-forwarded-for': `nonsense-${status}` })).status, status);
  const stranger = await get(other, { 'x-forwarded-for': '203.0.113.1' });
  equal(stranger.status, 429, 'the listener trusts somebody else, and this address has used up what it may');
  const clients = async () =>
    (await readFile(join(accessLog, 'access-1.log'), 'utf8'))
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { client: string }).client);
  await until(async () => (await clients()).length === 14, 'all requests are in the log');
  const counts = Object.groupBy(await clients(), (client) => client);
  deepEqual(Object.fromEntries(Object.entries(counts).map(([client, all]) => [client, all?.length])), {
    '127.0.0.1': 5,
    '203.0.113.1': 3,
    '203.0.113.2': 3,
    '203.0.113.3': 3,
  });
  match(gateway.address.host, /^127/);
  await rm(accessLog, { recursive: true, force: true });
});

test('names of fields beyond letters, digits and hyphens are passed on, but for those that look like trusted ones; a service may have all of them dropped or refused (R-14)', async () => {
  await using backend = await startBackend();
  const headers = { x_user: 'a', 'x.y': 'b', x_forwarded_for: '6.6.6.6', 'x-fine': 'c' };
  const expected = [
    [undefined, 200, 'x-fine x.y x_user'],
    ['drop', 200, 'x-fine'],
    ['refuse', 400, ''],
  ] as const;
  for (const [oddFieldNames, status, names] of expected) {
    const service = { backends: [`127.0.0.1:${backend.port}`], ...(oddFieldNames === undefined ? {} : { oddFieldNames }) };
    await using gateway = await startStandalone(world, fileWith(service));
    const answer = await get(gateway.address, headers);
    equal(answer.status, status);
    const seen = status === 200 ? Object.keys(seenIn(answer.text)) : [];
    equal(
      seen
        .filter((name) => /^x_|^x-fine|\./.test(name))
        .sort()
        .join(' '),
      names,
    );
    equal((await get(gateway.address, { 'x-fine': 'c' })).status, 200);
  }
});
