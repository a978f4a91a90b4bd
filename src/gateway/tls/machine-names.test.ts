import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { namesOfListener } from './machine-names.ts';

const machine = { hostname: 'box.lan', addresses: ['127.0.0.1', '192.0.2.7', '::1', '2001:db8::7', 'fe80::1', '169.254.1.1'] };

test('who listens at one address is called localhost and by it; who listens at all of them, by the name and each address of the machine', () => {
  deepEqual(namesOfListener('192.0.2.7', machine), ['localhost', '192.0.2.7']);
  deepEqual(namesOfListener('0.0.0.0', machine), ['localhost', 'box.lan', '127.0.0.1', '192.0.2.7', '::1', '2001:db8::7']);
});

test('a name of a machine that no certificate may have is left out, and of very many addresses the rest', () => {
  const odd = { hostname: 'my_box!', addresses: Array.from({ length: 100 }, (_, i) => `192.0.2.${i}`) };
  const names = namesOfListener('::', odd);
  deepEqual(names.slice(0, 3), ['localhost', '127.0.0.1', '192.0.2.0']);
  deepEqual(names.length, 34);
});
