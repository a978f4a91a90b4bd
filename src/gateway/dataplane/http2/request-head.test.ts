import { equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Head, SCAN } from '../head.ts';
import { scanRequest } from '../scan-request.ts';
import { requestHead, requestTrailers } from './request-head.ts';

const USUAL = [':method', 'GET', ':scheme', 'https', ':authority', 'shop.test', ':path', '/a?b'];

test('a request is written as HTTP/1.1 has it, with its body framed by what the stream says', () => {
  equal(requestHead([...USUAL, 'accept', '*/*'], true), 'GET /a?b HTTP/1.1\r\naccept: */*\r\nhost: shop.test\r\n\r\n');
  const post = [':method', 'POST', ':scheme', 'https', ':authority', 'x', ':path', '/'];
  equal(requestHead(post, false), 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
  equal(requestHead(post, true), 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n');
  equal(requestHead([...post, 'content-length', '5'], false), 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n');
});

test('crumbs of a cookie become one field, and Host says what the request is sent to', () => {
  equal(requestHead([...USUAL, 'cookie', 'a=1', 'host', 'evil', 'cookie', 'b=2'], true), 'GET /a?b HTTP/1.1\r\nhost: shop.test\r\ncookie: a=1; b=2\r\n\r\n');
  equal(requestHead([':method', 'GET', ':scheme', 'http', ':path', '/', 'host', 'x'], true), 'GET / HTTP/1.1\r\nhost: x\r\n\r\n');
});

test('what HTTP/1.1 would read differently is malformed (R-16)', () => {
  const bad: readonly (readonly string[])[] = [
    ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings'].map((name) => [...USUAL, name, 'x']),
    ...['X', 'a b', 'a:', '', 'a\r\nb', 'a\0', 'ä', ':status', ':method', ':protocol'].map((name) => [...USUAL, name, 'x']),
    ...['a\r\nb: c', 'a\nb', 'a\rb', 'a\0b', ' a', 'a ', '\ta', '\u010a', '\x7f'].map((value) => [...USUAL, 'x', value]),
    [...USUAL, 'te', 'gzip'],
    [...USUAL, 'host', 'a', 'host', 'a'],
    [...USUAL, 'content-length', '5'],
    ['x', 'y', ...USUAL],
    USUAL.slice(2),
    [...USUAL.slice(0, 2), ...USUAL.slice(4)],
    USUAL.slice(0, 6),
    ...['', 'a', 'http://x/', '/a b', '/\r\nx', '*'].map((path) => [...USUAL.slice(0, 6), ':path', path]),
    ...['', 'GET /', 'GET\r\n', 'G:T'].map((method) => [':method', method, ...USUAL.slice(2)]),
    ...['', 'ftp', 'http\r\nx'].map((scheme) => [':method', 'GET', ':scheme', scheme, ...USUAL.slice(4)]),
    ...['', 'x\r\ny: z', 'x y'].map((authority) => [...USUAL.slice(0, 4), ':authority', authority, ...USUAL.slice(6)]),
    [':method', 'CONNECT', ...USUAL.slice(2)],
    [],
  ];
  for (const fields of bad) equal(requestHead(fields, true), undefined, JSON.stringify(fields));
});

test('whatever a client sends as fields, it becomes one head with nothing behind it, or none (property)', () => {
  const odd = fc.constantFrom('\r', '\n', '\r\n', '\r\n\r\n', '\0', ' ', ':', 'a', '\u010a', 'Transfer-Encoding: chunked', '\x85', ';', ',', '=');
  const text = fc.array(fc.oneof(odd, fc.string({ maxLength: 8 })), { maxLength: 4 }).map((parts) => parts.join(''));
  const name = fc.oneof(text, fc.constantFrom(':method', ':path', ':authority', ':scheme', 'host', 'content-length', 'cookie', 'te', 'x-a', 'expect'));
  const fields = fc.array(fc.tuple(name, text), { maxLength: 6 }).map((pairs) => [...USUAL, ...pairs.flat()]);
  fc.assert(
    fc.property(fields, fc.boolean(), fc.integer({ min: 0, max: 3 }), text, (all, endsStream, changed, value) => {
      const changedFields = all.map((each, i) => (i === 2 * changed + 1 && value !== '' ? value : each));
      const head = requestHead(changedFields, endsStream);
      if (head === undefined) return;
      const bytes = Buffer.from(head, 'latin1');
      equal(bytes.indexOf('\r\n\r\n'), bytes.length - 4);
      equal(bytes.toString('latin1'), head, 'nothing is lost in latin1');
      const scanned = new Head();
      scanned.begin(0);
      if (scanRequest(bytes, bytes.length, scanned) !== SCAN.complete) return;
      equal(scanned.end, bytes.length);
      ok(!scanned.upgradesToWebSocket && scanned.nominated === undefined && !scanned.closes);
    }),
    { numRuns: 3_000 },
  );
});

test('trailers pass but for those that would change framing, routing or trust', () => {
  equal(requestTrailers(['grpc-status', '0', 'content-length', '5', 'x-forwarded-for', '1', 'x-sum', 'a b']), 'grpc-status: 0\r\nx-sum: a b\r\n');
  for (const bad of [
    [':path', '/'],
    ['A', 'b'],
    ['a', 'b\r\nc: d'],
    ['connection', 'x'],
  ])
    equal(requestTrailers(bad), undefined);
});
