import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32c } from '#base/checksum';
import { canonicalIp } from './ip-address.ts';
import { PROXY_LIMITS, type ProxyHeader, parseProxyHeader } from './proxy-header.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const FOUR = 'c0000201' + 'c6336401' + '1000' + '01bb';
const SIX = '20010db8000000000000000000000001' + '20010db8000000000000000000000002' + '1000' + '01bb';

function line(text: string): ProxyHeader {
  return parseProxyHeader(Buffer.from(text, 'latin1'));
}

/** A binary header from its parts in hexadecimal; the length is that of what follows it unless given. */
function binary(versionAndFamily: string, rest: string, length = rest.length / 2): ProxyHeader {
  return parseProxyHeader(Buffer.from(SIGNATURE + versionAndFamily + length.toString(16).padStart(4, '0') + rest, 'hex'));
}

function tlv(type: number, valueHex: string, length = valueHex.length / 2): string {
  return type.toString(16).padStart(2, '0') + length.toString(16).padStart(4, '0') + valueHex;
}

function checksummed(before: string, after: string): ProxyHeader {
  const rest = FOUR + before + tlv(3, '00000000') + after;
  const bytes = Buffer.from(`${SIGNATURE}2111${(rest.length / 2).toString(16).padStart(4, '0')}${rest}`, 'hex');
  bytes.writeUInt32BE(crc32c(bytes) >>> 0, 16 + (FOUR.length + before.length) / 2 + 3);
  return parseProxyHeader(bytes);
}

const bad = (why: string) => ({ kind: 'bad', why });
const FOUR_ENDS = { source: { address: '192.0.2.1', port: 4096 }, destination: { address: '198.51.100.1', port: 443 } };
const SIX_ENDS = { source: { address: '2001:db8::1', port: 4096 }, destination: { address: '2001:db8::2', port: 443 } };

test('version 1: the line names both ends, and ends with CRLF', () => {
  deepEqual(line('PROXY TCP4 192.0.2.1 198.51.100.1 4096 443\r\nGET / HTTP/1.1\r\n'), { kind: 'proxied', end: 44, ...FOUR_ENDS });
  deepEqual(line('PROXY TCP6 2001:DB8:0::1 2001:db8::2 4096 443\r\n'), { kind: 'proxied', end: 47, ...SIX_ENDS });
  deepEqual(line('PROXY TCP6 ::ffff:192.0.2.1 ::1 0 65535\r\n'), {
    kind: 'proxied',
    end: 41,
    source: { address: '192.0.2.1', port: 0 },
    destination: { address: '::1', port: 65_535 },
  });
  deepEqual(line('PROXY UNKNOWN\r\n'), { kind: 'local', end: 15 });
  deepEqual(line('PROXY UNKNOWN ffff:f...f:ffff what ever 65535 65535\r\n'), { kind: 'local', end: 53 });
  const longest = `PROXY UNKNOWN ${'x'.repeat(PROXY_LIMITS.lineBytes - 16)}\r\n`;
  deepEqual([longest.length, line(longest)], [107, { kind: 'local', end: 107 }]);
});

test('version 1: what is no exact line is refused', () => {
  for (const [text, why] of [
    ['GET / HTTP/1.1\r\n', 'no-header'],
    ['PROXY\r\n', 'no-header'],
    ['proxy TCP4 192.0.2.1 198.51.100.1 4096 443\r\n', 'no-header'],
    ['PROXYTCP4', 'no-header'],
    ['PROXY TCP4 192.0.2.1 198.51.100.1 4096 443\n', 'bad-line'],
    ['PROXY TCP4 192.0.2.1 198.51.100.1 4096 443\r', 'more'],
    ['PROXY TCP4 192.0.2.1 198.51.100.1 4096 443\r\r\n', 'bad-line'],
    ['PROXY TCP4 192.0.2.1 198.51.100.1 4096 443\rX', 'bad-line'],
    ['PROXY TCP4 192.0.2.1\0 198.51.100.1 4096 443\r\n', 'bad-line'],
    ['PROXY TCP4 192.0.2.1 198.51.100.1 4096\r\n', 'bad-line'],
    ['PROXY TCP4 192.0.2.1 198.51.100.1 4096 443 \r\n', 'bad-line'],
    ['PROXY TCP4  192.0.2.1 198.51.100.1 4096 443\r\n', 'bad-line'],
    ['PROXY  TCP4 192.0.2.1 198.51.100.1 4096 443\r\n', 'bad-line'],
    ['PROXY TCP4\t192.0.2.1 198.51.100.1 4096 443\r\n', 'bad-line'],
    ['PROXY TCP 192.0.2.1 198.51.100.1 4096 443\r\n', 'bad-line'],
    ['PROXY UDP4 192.0.2.1 198.51.100.1 4096 443\r\n', 'bad-line'],
    ['PROXY tcp4 192.0.2.1 198.51.100.1 4096 443\r\n', 'bad-line'],
    ['PROXY UNKNOWNX\r\n', 'bad-line'],
    ['PROXY \r\n', 'bad-line'],
    ['PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n', 'bad-address'],
    ['PROXY TCP4 192.0.2.1 198.51.100.1 04096 443\r\n', 'bad-address'],
    ['PROXY TCP4 192.0.2.1 198.51.100.1 -1 443\r\n', 'bad-address'],
    ['PROXY TCP4 192.0.2.1 198.51.100.1 0x10 443\r\n', 'bad-address'],
    ['PROXY TCP4 192.0.2.01 198.51.100.1 4096 443\r\n', 'bad-address'],
    ['PROXY TCP4 192.0.2.256 198.51.100.1 4096 443\r\n', 'bad-address'],
    ['PROXY TCP4 192.0.2 198.51.100.1 4096 443\r\n', 'bad-address'],
    ['PROXY TCP4 2001:db8::1 2001:db8::2 4096 443\r\n', 'bad-address'],
    ['PROXY TCP6 192.0.2.1 198.51.100.1 4096 443\r\n', 'bad-address'],
    ['PROXY TCP6 fe80::1%eth0 2001:db8::2 4096 443\r\n', 'bad-address'],
    ['PROXY TCP6 [2001:db8::1] 2001:db8::2 4096 443\r\n', 'bad-address'],
    ['PROXY TCP6 1::2::3 2001:db8::2 4096 443\r\n', 'bad-address'],
    [`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`, 'too-large'],
    [`PROXY UNKNOWN ${'x'.repeat(200)}`, 'too-large'],
  ] as const)
    deepEqual(line(text), why === 'more' ? { kind: 'more' } : bad(why), JSON.stringify(text));
});

test('version 2: commands and families; what a proxy says for itself leaves the ends of the socket', () => {
  deepEqual(binary('2111', FOUR), { kind: 'proxied', end: 28, ...FOUR_ENDS });
  deepEqual(binary('2121', SIX), { kind: 'proxied', end: 52, ...SIX_ENDS });
  deepEqual(binary('2121', `00000000000000000000ffffc0000201${'0'.repeat(32)}0000ffff`), {
    kind: 'proxied',
    end: 52,
    source: { address: '192.0.2.1', port: 0 },
    destination: { address: '::', port: 65_535 },
  });
  deepEqual(binary('2000', ''), { kind: 'local', end: 16 });
  // The block of a LOCAL command is skipped whatever it is.
  deepEqual(binary('2011', 'ffffff'), { kind: 'local', end: 19 });
  deepEqual(binary('20ff', 'ffffff'), { kind: 'local', end: 19 });
  deepEqual(binary('2100', ''), { kind: 'local', end: 16 });
  for (const family of ['12', '22', '31', '32'])
    deepEqual(binary(`21${family}`, '00'.repeat(family === '12' ? 12 : family === '22' ? 36 : 216)).kind, 'local', family);
});

test('version 2: wrong versions, families and lengths are refused, as soon as they are there', () => {
  for (const [head, rest, why, length] of [
    ['1111', FOUR, 'bad-version'],
    ['3111', FOUR, 'bad-version'],
    ['2211', FOUR, 'bad-version'],
    ['2f11', FOUR, 'bad-version'],
    ['2110', FOUR, 'bad-version'],
    ['2113', FOUR, 'bad-version'],
    ['2141', FOUR, 'bad-version'],
    ['21ff', FOUR, 'bad-version'],
    ['2111', '', 'bad-length', 11],
    ['2121', '', 'bad-length', 35],
    ['2131', '', 'bad-length', 215],
    ['2111', '', 'too-large', 16_369],
    ['2000', '', 'too-large', 65_535],
  ] as const)
    deepEqual(binary(head, rest, length), bad(why), head);
  equal(binary('2111', FOUR.slice(2), 12).kind, 'more');
  deepEqual(parseProxyHeader(Buffer.from(`${SIGNATURE.slice(0, -2)}0b`, 'hex')), bad('no-header'));
  deepEqual(parseProxyHeader(Buffer.from('\r\n\r\nGET', 'latin1')), bad('no-header'));
  deepEqual(parseProxyHeader(Buffer.from('\n')), bad('no-header'));
});

test('version 2: extensions end exactly where the header ends, those within the one of TLS too', () => {
  const with_ = (extensions: string) => binary('2111', FOUR + extensions);
  for (const good of [
    tlv(2, Buffer.from('shop.example.com').toString('hex')),
    tlv(4, ''),
    tlv(0xee, '00'.repeat(300)) + tlv(1, '6832'),
    tlv(5, 'ab'.repeat(128)),
    tlv(0x20, '0100000000'),
    tlv(0x20, `0100000000${tlv(0x21, '544c5331')}${tlv(0x22, '')}`),
  ])
    deepEqual(with_(good), { kind: 'proxied', end: 28 + good.length / 2, ...FOUR_ENDS }, good);
  for (const wrong of [
    '02',
    '0200',
    tlv(2, '61', 2),
    tlv(2, '6162', 1),
    tlv(2, '', 65_535),
    `${tlv(4, '')}00`,
    tlv(5, 'ab'.repeat(129)),
    tlv(0x20, '01000000'),
    tlv(0x20, `0100000000${tlv(0x21, '61', 2)}`),
    tlv(0x20, '010000000021'),
    tlv(3, '000000'),
  ])
    deepEqual(with_(wrong), bad('bad-extension'), wrong);
  // Bytes beyond the header belong to the client, whatever they look like.
  deepEqual(parseProxyHeader(Buffer.from(`${SIGNATURE}2111000c${FOUR}02ffff`, 'hex')), { kind: 'proxied', end: 28, ...FOUR_ENDS });
});

test('version 2: a checksum is checked over the whole header', () => {
  equal(checksummed('', '').kind, 'proxied');
  equal(checksummed(tlv(4, '0000'), tlv(1, '6832')).kind, 'proxied');
  deepEqual(binary('2111', FOUR + tlv(3, 'deadbeef')), bad('bad-checksum'));
  deepEqual(binary('2111', FOUR + tlv(3, 'deadbeef') + tlv(3, 'deadbeef')), bad('bad-checksum'));
});

const port = fc.integer({ min: 0, max: 65_535 });
const oneHeader = fc.oneof(
  fc.record({ from: fc.ipV4(), to: fc.ipV4(), fromPort: port, toPort: port }).map((ends) => ({ ...ends, text: 'TCP4' })),
  fc.record({ from: fc.ipV6(), to: fc.ipV6(), fromPort: port, toPort: port }).map((ends) => ({ ...ends, text: 'TCP6' })),
);

test('whatever ends are written are read, and the bytes behind them are left alone', () => {
  fc.assert(
    fc.property(oneHeader, fc.uint8Array({ maxLength: 50 }), ({ text, from, to, fromPort, toPort }, behind) => {
      const header = Buffer.from(`PROXY ${text} ${from} ${to} ${fromPort} ${toPort}\r\n`, 'latin1');
      deepEqual(parseProxyHeader(Buffer.concat([header, behind])), {
        kind: 'proxied',
        end: header.length,
        source: { address: canonicalIp(from), port: fromPort },
        destination: { address: canonicalIp(to), port: toPort },
      });
    }),
  );
});

test('any prefix of any bytes needs more or has the verdict of the whole; any mutation of a good header is judged without an error', () => {
  const good = fc.oneof(
    oneHeader.map(({ text, from, to, fromPort, toPort }) => Buffer.from(`PROXY ${text} ${from} ${to} ${fromPort} ${toPort}\r\nGET`, 'latin1')),
    fc
      .tuple(fc.constantFrom('2111', '2121', '2000', '2131', '2112'), fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: 300 }))
      .map(([head, rest, length]) => Buffer.concat([Buffer.from(SIGNATURE + head, 'hex'), Buffer.from([length >> 8, length & 255]), rest])),
    fc
      .tuple(
        fc.array(fc.tuple(fc.constantFrom(1, 2, 3, 4, 5, 0x20, 0xee), fc.uint8Array({ maxLength: 40 })), { maxLength: 4 }),
        fc.integer({ min: -3, max: 3 }),
      )
      .map(([extensions, wrongBy]) => {
        const rest = FOUR + extensions.map(([type, value]) => tlv(type, Buffer.from(value).toString('hex'))).join('');
        const length = Math.max(0, rest.length / 2 + wrongBy);
        return Buffer.from(`${SIGNATURE}2111${length.toString(16).padStart(4, '0')}${rest}`, 'hex');
      }),
    fc.uint8Array({ maxLength: 130 }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(good, fc.option(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))), (bytes, mutation) => {
      if (mutation !== null && bytes.length > 0) bytes[mutation[0] % bytes.length] = mutation[1];
      const whole = parseProxyHeader(bytes);
      if (whole.kind === 'proxied' || whole.kind === 'local') equal(whole.end <= bytes.length, true);
      for (let length = 0; length <= bytes.length; length++) {
        const part = parseProxyHeader(bytes.subarray(0, length));
        if (part.kind !== 'more') deepEqual(part, whole);
        else if (whole.kind === 'proxied' || whole.kind === 'local') equal(length < whole.end, true, 'a whole header is enough');
      }
    }),
    { numRuns: 500 },
  );
});
