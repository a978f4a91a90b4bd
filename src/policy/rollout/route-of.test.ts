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
