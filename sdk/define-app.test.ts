import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { defineApp } from './define-app.ts';

test('defineApp returns the config as it is', () => {
  const config = {
    name: 'shop',
    web: { run: { process: 'node server.js' }, port: 3000, health: '/healthz' },
    environments: { staging: { web: { count: 1 } } },
  };
  deepEqual(defineApp(config), config);
});

test('the compiler refuses what the cluster would refuse', () => {
  // @ts-expect-error An app has a name.
  defineApp({ web: { run: { process: 'node server.js' } } });
  // @ts-expect-error A service says how it runs.
  defineApp({ name: 'shop', web: { port: 3000 } });
  // @ts-expect-error There is no such key of a service.
  defineApp({ name: 'shop', web: { run: { process: 'node server.js' }, prot: 3000 } });
  // @ts-expect-error A duration has a unit.
  defineApp({ name: 'shop', web: { run: { process: 'node server.js' }, stop: { drain: 30 } } });
  // @ts-expect-error There is no such mode.
  defineApp({ name: 'shop', web: { run: { process: 'node server.js' }, mode: 'primary' } });
  // @ts-expect-error Secrets are names, not values.
  defineApp({ name: 'shop', secrets: { PASSWORD: 'x' }, web: { run: { process: 'node server.js' } } });
});
