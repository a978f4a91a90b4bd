import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { parseName } from '#base/name';
import { routeOf } from './route-of.ts';
import { modelSpec } from './service-model.ts';
import { restartReasons, type Template } from './template.ts';

test('a service is balanced as its spec says, and another policy restarts nothing', () => {
  const spec = modelSpec(1, { count: 1 });
  const template = (balance?: string): Template => ({
    release: 1,
    spec: { ...spec, ...(balance === undefined ? {} : { balance }) },
    environment: {},
    secrets: [],
  });
  const parts = { app: parseName('shop', 'an app'), service: parseName('web', 'a service'), internalPort: undefined, instances: [] };
  equal(routeOf({ ...parts, spec }).balance, 'round-robin');
  equal(routeOf({ ...parts, spec: template('peak-ewma').spec }).balance, 'peak-ewma');
  deepEqual(restartReasons(template(), template('peak-ewma')), []);
});

test('how requests are treated reaches the route, and a change of it restarts nothing', () => {
  const spec = { ...modelSpec(1, { count: 1 }), traffic: { slowStartMs: 0, settings: { maxTries: 1, retryOn: ['503' as const] } } };
  const route = routeOf({ app: parseName('shop', 'an app'), service: parseName('web', 'a service'), spec, internalPort: undefined, instances: [] });
  deepEqual([route.slowStartMs, route.settings], [0, { maxTries: 1, retryOn: ['503'] }]);
  const template = (traffic: object): Template => ({ release: 1, spec: { ...spec, traffic }, environment: {}, secrets: [] });
  deepEqual(restartReasons(template({}), template(spec.traffic)), []);
});

test('ports for connections that are carried as they are reach the route; a change of them restarts nothing', () => {
  const spec = { ...modelSpec(1, { count: 1 }), tcpPorts: [5432] };
  const parts = { app: parseName('shop', 'an app'), service: parseName('db', 'a service'), internalPort: undefined, instances: [] };
  deepEqual(routeOf({ ...parts, spec }).tcpPorts, [5432]);
  const template = (tcpPorts: readonly number[]): Template => ({ release: 1, spec: { ...spec, tcpPorts }, environment: {}, secrets: [] });
  deepEqual(restartReasons(template([5432]), template([5433])), []);
});
