import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { addressesOf, gatewayStateOf, homeOf, instancePortsOf } from './home.ts';

test('the addresses of a home follow from its port base', () => {
  const home = homeOf({ HAVEN_HOME: '/tmp/somewhere', HAVEN_PORT_BASE: '8800' });
  equal(addressesOf(home).gateway.port, 8_880);
});

test('a port base whose gateway no browser would open is refused', () => {
  throws(() => homeOf({ HAVEN_PORT_BASE: '10000' }), /10080, which browsers and fetch refuse/);
});

test('a gateway without a cluster keeps its state in the folder systemd made for it, else in the home', () => {
  equal(gatewayStateOf({ HAVEN_HOME: '/srv/haven', STATE_DIRECTORY: '/var/lib/edge:/var/lib/other' }), '/var/lib/edge');
  equal(gatewayStateOf({ HAVEN_HOME: '/srv/haven', HAVEN_PORT_BASE: 'of a cluster' }), '/srv/haven/gateway');
});

test('a port base that is no number is refused', () => {
  throws(() => homeOf({ HAVEN_PORT_BASE: 'http' }), /HAVEN_PORT_BASE=http/);
});

test('instances of any node under any port base get ports below those of outgoing connections', () => {
  deepEqual(instancePortsOf(homeOf({}), 1), { first: 20_400, last: 20_799 });
  for (const base of ['1024', '7700', '19600', '65000'])
    for (let index = 1; index <= 200; index++) {
      const { first, last } = instancePortsOf(homeOf({ HAVEN_PORT_BASE: base }), index);
      ok(first >= 20_000 && last < 32_768, `${base}, node ${index}: ${first} to ${last}`);
    }
});
