import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { RoutingTable } from './routing-table.ts';

function find(table: RoutingTable<string>, host: string, target: string): string {
  const bytes = Buffer.from(host + target, 'latin1');
  const found = table.find(bytes, 0, host.length, host.length, bytes.length);
  return found ?? (table.isAmbiguous ? 'ambiguous' : 'none');
}

const table = new RoutingTable<string>([
  { matches: [{ host: 'shop.test', path: '/' }], target: 'shop' },
  { matches: [{ host: 'shop.test', path: '/api' }], target: 'api' },
  { matches: [{ host: 'shop.test', path: '/api/v2/' }], target: 'api2' },
  { matches: [{ host: 'other.test', path: '/only' }], target: 'only' },
  { matches: [{ host: '*', path: '/' }], target: 'any' },
  { matches: [{ host: '*', path: '/status' }], target: 'status' },
]);

test('the longest prefix on segment borders of the exact host wins, then any host', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['shop.test', '/', 'shop'],
    ['SHOP.test:8080', '/', 'shop'],
    ['shop.test.', '/', 'shop'],
    ['Shop.Test.:8080', '/api', 'api'],
    ['shop.test..', '/', 'any'],
    ['.', '/', 'any'],
    ['shop.test', '/api', 'api'],
    ['shop.test', '/api?x=/api/v2', 'api'],
    ['shop.test', '/api/', 'api'],
    ['shop.test', '/apiary', 'shop'],
    ['shop.test', '/api/v2', 'api2'],
    ['shop.test', '/api/v2/x/y', 'api2'],
    ['shop.test', '/api/v22', 'api'],
    ['other.test', '/only/x', 'only'],
    ['other.test', '/', 'any'],
    ['else.test', '/status', 'status'],
    ['[::1]:80', '/x', 'any'],
    ['', '*', 'any'],
  ];
  deepEqual(
    cases.map(([host, target]) => find(table, host, target)),
    cases.map(([, , expected]) => expected),
  );
});

test('R-17: escapes and empty segments are matched on their normal form, and what could step out of a prefix is refused', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['/%61pi/x', 'api'],
    ['//api//v2', 'api2'],
    ['/api%2fv2', 'shop'],
    ['/x/../api', 'ambiguous'],
    ['/x/%2e%2e/api', 'ambiguous'],
    ['/api/.%2E/secret', 'ambiguous'],
    ['/./api', 'ambiguous'],
    // Some backends read an escaped slash as one, and some leave out what is behind a semicolon.
    ['/api/..%2fsecret', 'ambiguous'],
    ['/api/%2E%2e%2Fsecret', 'ambiguous'],
    ['/api/x%2f..', 'ambiguous'],
    ['/api/..;/secret', 'ambiguous'],
    ['/api/.;a=b%2Fsecret', 'ambiguous'],
    ['/api/..secret', 'api'],
    ['/api/a;..', 'api'],
    ['/a%00b', 'ambiguous'],
    ['/a%5cb', 'ambiguous'],
    ['/a%zz', 'ambiguous'],
    ['/.well-known/x', 'shop'],
    ['/a%20b', 'shop'],
  ];
  deepEqual(
    cases.map(([target]) => find(table, 'shop.test', target)),
    cases.map(([, expected]) => expected),
  );
});

test('a thousand hosts and paths are all found', () => {
  const many = new RoutingTable<string>(Array.from({ length: 1_000 }, (_, i) => ({ matches: [{ host: `h${i}.test`, path: `/p${i}` }], target: `t${i}` })));
  for (let i = 0; i < 1_000; i++) equal(find(many, `h${i}.test`, `/p${i}/x`), `t${i}`);
  equal(find(many, 'h1.test', '/p2'), 'none');
});

test('without a match there is nothing', () => {
  equal(find(new RoutingTable<string>([]), 'a', '/'), 'none');
});
