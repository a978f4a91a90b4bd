import { deepEqual, equal, notEqual } from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressIn, clientIn, withHop } from './forwarded-chain.ts';
import { AddressSet, canonicalIp, parseCidr, peerIp } from './ip-address.ts';

test('the client is the nth from the right, with or without port and brackets; never the leftmost, never a text that is no address (R-14)', () => {
  for (const [chain, hops, client] of [
    ['192.0.2.1', 1, '192.0.2.1'],
    ['6.6.6.6, 192.0.2.1', 1, '192.0.2.1'],
    ['6.6.6.6, 192.0.2.1, 198.51.100.7', 2, '192.0.2.1'],
    ['6.6.6.6 ,\t192.0.2.1 ', 1, '192.0.2.1'],
    ['192.0.2.1:4711', 1, '192.0.2.1'],
    ['[2001:DB8::1]:4711', 1, '2001:db8::1'],
    ['[2001:db8::1]', 1, '2001:db8::1'],
    ['2001:db8:0:0::1', 1, '2001:db8::1'],
    ['::ffff:192.0.2.1', 1, '192.0.2.1'],
    ['[::ffff:192.0.2.1]:80', 1, '192.0.2.1'],
    ['192.0.2.1', 2, undefined],
    [',192.0.2.1', 2, undefined],
    ['192.0.2.1,', 1, undefined],
    ['', 1, undefined],
    ['unknown', 1, undefined],
    ['192.0.2.1, _hidden', 1, undefined],
    ['192.0.2.1:port', 1, undefined],
    ['192.0.2.1:123456', 1, undefined],
    ['192.0.2.01', 1, undefined],
    ['192.0.2', 1, undefined],
    ['[192.0.2.1]', 1, undefined],
    ['[2001:db8::1', 1, undefined],
    ['[2001:db8::1]x', 1, undefined],
    ['2001:db8::1%eth0', 1, undefined],
    ['fe80::1%25', 1, undefined],
    ['"192.0.2.1"', 1, undefined],
    ['192.0.2.1 192.0.2.2', 1, undefined],
    [`${'1'.repeat(10_000)}`, 1, undefined],
  ] as const)
    equal(clientIn(chain, hops), client, `${chain} ${hops}`);
});

test('whatever a chain holds, the client is an address in canonical form or nobody; a hop that was added is found', () => {
  const entry = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.constantFrom('', 'unknown', '[', ']:1', '1.2.3.4:5', '[::1]:5'));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), fc.integer({ min: 1, max: 6 }), fc.oneof(fc.ipV4(), fc.ipV6()), (entries, hops, peer) => {
      const chain = entries.join(',');
      const client = clientIn(chain, hops);
      if (client !== undefined) {
        notEqual(isIP(client), 0);
        equal(canonicalIp(client), client);
      }
      equal(clientIn(withHop(chain, peer), 1), canonicalIp(peer));
      // One more hop is what was seen before it.
      if (chain !== '') equal(clientIn(withHop(chain, peer), hops + 1), client);
    }),
  );
  equal(addressIn(' [::1]:80 '), '::1');
});

test('an address has one form; a socket tells IPv4 clients of IPv6 listeners and zones', () => {
  deepEqual(['::FFFF:1.2.3.4', '::ffff:102:304', '0:0:0:0:0:0:0:1', 'FE80::1', '1.2.3.4', 'fe80::1%lo', 'x', ''].map(canonicalIp), [
    '1.2.3.4',
    '1.2.3.4',
    '::1',
    'fe80::1',
    '1.2.3.4',
    undefined,
    undefined,
    undefined,
  ]);
  deepEqual(['::ffff:1.2.3.4', 'fe80::1%lo', '1.2.3.4', ''].map(peerIp), ['1.2.3.4', 'fe80::1', '1.2.3.4', '']);
});

test('ranges hold what they say, in both families', () => {
  const set = new AddressSet(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '2001:db8::1/128', 'nonsense']);
  deepEqual(
    ['10.255.0.1', '11.0.0.1', '192.0.2.7', '192.0.2.8', 'fd12::1', 'fe00::1', '2001:db8::1', '2001:db8::2', '', 'x'].map((address) => set.has(address)),
    [true, false, true, false, true, false, true, false, false, false],
  );
  deepEqual(
    ['10.0.0.0/8', '10.0.0.0/33', '::/0', '::/129', '10.0.0/8', 'host/8', '10.0.0.0/', '10.0.0.0/-1', '1.2.3.4'].map((text) => parseCidr(text)?.bits),
    [8, undefined, 0, undefined, undefined, undefined, undefined, undefined, 32],
  );
});
