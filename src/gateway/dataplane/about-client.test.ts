import { deepEqual, equal, ok } from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { AboutClient } from './about-client.ts';
import { Head, SCAN } from './head.ts';
import { HEAD_MARGIN_BYTES, writeRequestHead } from './head-writer.ts';
import { scanRequest } from './scan-request.ts';

const ORIGIN = {
  peer: '10.0.0.9',
  port: 8080,
  scheme: 'http',
  internalPort: undefined,
  tls: undefined,
  redirectPort: undefined,
  tlsRoutesPort: undefined,
  stallMs: 60_000,
} as const;

/** What the backend gets of a request with these lines, and who is taken for its client. */
function forwarded(
  lines: readonly string[],
  hops: number,
): { readonly client: string; readonly fields: Readonly<Record<string, readonly string[]>>; readonly grew: number } {
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: shop.example.com\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1');
  const head = new Head();
  head.begin(0);
  equal(scanRequest(bytes, bytes.length, head), SCAN.complete);
  const said = new AboutClient({ ...ORIGIN, trustedHops: hops }, '1.1').of(bytes, head);
  const out = Buffer.alloc(64 * 1024);
  const length = writeRequestHead(out, 0, bytes, head, said, said.requestId ?? Buffer.from('own-id\r\n\r\n'));
  const fields: Record<string, string[]> = {};
  for (const line of out.toString('latin1', 0, length).split('\r\n').slice(1, -2)) {
    const [name = '', value = ''] = line.split(/: ?/, 2);
    fields[name.toLowerCase()] = [...(fields[name.toLowerCase()] ?? []), line.slice(name.length + 2) || value];
  }
  return { client: said.client, fields, grew: length - bytes.length };
}

function said(lines: readonly string[], hops: number) {
  const { client, fields } = forwarded(lines, hops);
  const names = ['x-forwarded-for', 'x-real-ip', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-request-id', 'forwarded'];
  return { client, ...Object.fromEntries(names.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name].join(' + ')]]))) };
}

const OWN = {
  client: '10.0.0.9',
  'x-forwarded-for': '10.0.0.9',
  'x-real-ip': '10.0.0.9',
  'x-forwarded-proto': 'http',
  'x-forwarded-host': 'shop.example.com',
  'x-forwarded-port': '8080',
  'x-request-id': 'own-id',
};

const CLAIMS = [
  'X-Forwarded-For: 6.6.6.6, 203.0.113.9',
  'X-Real-IP: 6.6.6.6',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: other.example.com:8443',
  'X-Forwarded-Port: 443',
  'X-Request-Id: abc-123',
  'Forwarded: for=6.6.6.6',
];

test('what a stranger says of himself is dropped, and set anew (R-14)', () => {
  deepEqual(said(CLAIMS, 0), OWN);
  deepEqual(said([], 0), OWN);
});

test('a trusted proxy names the client, scheme, host, port and id, and its address is added to the chain (R-14)', () => {
  deepEqual(said(CLAIMS, 1), {
    client: '203.0.113.9',
    'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.0.0.9',
    'x-real-ip': '203.0.113.9',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'other.example.com:8443',
    'x-forwarded-port': '443',
    'x-request-id': 'abc-123',
  });
  equal(said(CLAIMS, 2).client, '6.6.6.6');
  equal(said(CLAIMS, 3).client, '10.0.0.9', 'there is no third');
  deepEqual(said([], 1), OWN, 'a proxy that says nothing is the client');
});

test('several lines are one chain; what has no proper form is not passed on as a fact', () => {
  deepEqual(said(['x-forwarded-for: 6.6.6.6', 'Other: 1', 'X-FORWARDED-FOR:203.0.113.9'], 1), {
    ...OWN,
    client: '203.0.113.9',
    'x-real-ip': '203.0.113.9',
    'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.0.0.9',
  });
  for (const line of [
    'X-Forwarded-Proto: ftp',
    'X-Forwarded-Proto: https, http',
    'X-Forwarded-Host: a/b',
    'X-Forwarded-Host: a, b',
    'X-Forwarded-Port: 0',
    'X-Forwarded-Port: 65536',
    'X-Request-Id: a b',
    `X-Request-Id: ${'a'.repeat(129)}`,
    'X-Real-IP: 6.6.6.6',
    'X_Forwarded_For: 6.6.6.6',
    'X-Forwarded-Evil: 1',
  ])
    deepEqual(said([line], 1), OWN, line);
  deepEqual(said(['X-Request-Id: one', 'X-Request-Id: two'], 1)['x-request-id' as never], 'own-id');
  const odd = said(['X-Forwarded-For: unknown'], 1);
  deepEqual([odd.client, odd['x-forwarded-for' as never]], ['10.0.0.9', 'unknown, 10.0.0.9']);
});

test('whatever a proxy sends: the client is an address, no line is added, and the head fits where it is written', () => {
  const value = fc.stringMatching(/^[\t -~]{0,300}$/);
  const name = fc.constantFrom('X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Port', 'X-Request-Id', 'X-Real-IP', 'Forwarded');
  const line = fc.tuple(name, value).map(([key, text]) => `${key}: ${text}`);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), fc.integer({ min: 0, max: 4 }), (lines, hops) => {
      const { client, fields, grew } = forwarded(lines, hops);
      ok(isIP(client) !== 0);
      ok(grew <= HEAD_MARGIN_BYTES, `${grew} bytes more`);
      for (const key of ['x-forwarded-for', 'x-real-ip', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-request-id'])
        equal(fields[key]?.length, 1, key);
      deepEqual(Object.keys(fields).sort(), [
        'host',
        'via',
        'x-forwarded-for',
        'x-forwarded-host',
        'x-forwarded-port',
        'x-forwarded-proto',
        'x-real-ip',
        'x-request-id',
      ]);
    }),
  );
});
