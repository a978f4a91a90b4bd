import { equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { addressesOf, homeOf } from './home.ts';

test('the addresses of a home follow from its port base', () => {
  const home = homeOf({ HAVEN_HOME: '/tmp/somewhere', HAVEN_PORT_BASE: '8800' });
  equal(addressesOf(home).gateway.port, 8_880);
});

test('a port base whose gateway no browser would open is refused', () => {
  throws(() => homeOf({ HAVEN_PORT_BASE: '10000' }), /10080, which browsers and fetch refuse/);
});

test('a port base that is no number is refused', () => {
  throws(() => homeOf({ HAVEN_PORT_BASE: 'http' }), /HAVEN_PORT_BASE=http/);
});
