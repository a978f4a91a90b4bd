import { deepEqual, equal } from 'node:assert/strict';
import test from 'node:test';
import type { Route } from '#model/route';
import { holdMs, namesIn, ordered, retryMs, withAddresses } from './backend-names.ts';
import { parseAddress, parseBackend } from './config-values.ts';
import { resolveGatewayConfig } from './resolve-config.ts';

function routesOf(backends: readonly unknown[]): readonly Route[] {
  const resolved = resolveGatewayConfig({ listen: '127.0.0.1:8080', routes: [{ service: 'web' }], services: { web: { backends } } }, { secret: 'x' });
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.issues));
  return resolved.config.routes;
}

test('a name has a backend for each of its addresses, in its place, with its port, weight and tier', () => {
  const routes = routesOf(['127.0.0.1:3000', { address: 'API.internal:3001', weight: 3, tier: 'backup' }, '[::1]:3000']);
  deepEqual(namesIn(routes), ['api.internal']);
  const [route] = withAddresses(routes, new Map([['api.internal', ['10.0.0.1', 'fd00::1']]]));
  deepEqual(
    route?.backends.map(({ id, name, address, weight, tier }) => [id, name, address.host, address.port, weight, tier]),
    [
      ['web/127.0.0.1:3000', '127.0.0.1:3000', '127.0.0.1', 3000, 1, 'primary'],
      ['web/10.0.0.1:3001', '10.0.0.1:3001', '10.0.0.1', 3001, 3, 'backup'],
      ['web/[fd00::1]:3001', '[fd00::1]:3001', 'fd00::1', 3001, 3, 'backup'],
      ['web/[::1]:3000', '[::1]:3000', '::1', 3000, 1, 'primary'],
    ],
  );
});

test('a name that is not found has no backends, and an address that is there already is not used twice', () => {
  const routes = routesOf(['127.0.0.1:3000', 'a.test:3000', 'b.test:3000']);
  const names = (found: Readonly<Record<string, readonly string[]>>) =>
    withAddresses(routes, new Map(Object.entries(found)))[0]?.backends.map(({ name }) => name);
  deepEqual(names({}), ['127.0.0.1:3000']);
  deepEqual(names({ 'a.test': ['127.0.0.1', '10.0.0.1'], 'b.test': ['10.0.0.1', '10.0.0.2'] }), ['127.0.0.1:3000', '10.0.0.1:3000', '10.0.0.2:3000']);
});

test('routes without names are the same objects', () => {
  const routes = routesOf(['127.0.0.1:3000']);
  equal(withAddresses(routes, new Map())[0], routes[0]);
});

test('what was found holds as long as its time to live says, from 1 s to 1 min; failures are repeated after 1 s, 2 s, 4 s, up to 1 min', () => {
  deepEqual(
    [0, 1, 7, 60, 86_400].map((ttlSeconds) => holdMs({ addresses: [], ttlSeconds })),
    [1_000, 1_000, 7_000, 60_000, 60_000],
  );
  deepEqual([1, 2, 3, 6, 7, 1_000].map(retryMs), [1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
});

test('the order of a DNS answer does not matter', () => {
  deepEqual(ordered(['10.0.0.2', '10.0.0.1', '10.0.0.2']), ['10.0.0.1', '10.0.0.2']);
});

test('only backends may have names, and a mistyped address is none', () => {
  deepEqual(parseBackend('my_api.Internal:80'), { host: 'my_api.internal', port: 80 });
  for (const text of ['300.1.1.1:80', '1.2.3:80', 'a..b:80', '-a:80', 'a b:80', `${'a'.repeat(64)}.test:80`, 'api:99999', 'api'])
    equal(typeof parseBackend(text), 'string', text);
  equal(typeof parseAddress('api.internal:80'), 'string');
});
