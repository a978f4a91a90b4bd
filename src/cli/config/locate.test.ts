import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { locate } from './locate.ts';

const code = `import { defineApp } from '@haven/sdk';

export default defineApp({
  name: 'shop',
  web: {
    count: 3,
    health: { ready: { http: '/} ready' } }, // }
  },
  api: {
    'count': 2,
    routes: [{ path: '/api' }],
  },
});
`;

test('in code a key is found below the keys around it', () => {
  const at = (...path: string[]) => locate({ format: 'code', source: code }, path);
  equal(at('name'), 4);
  equal(at('web', 'count'), 6);
  equal(at('web', 'health', 'ready', 'http'), 7);
  equal(at('api', 'count'), 10);
  equal(at('api', 'routes', '0', 'path'), 11);
});

test('in code a key that is not written leads to the one around it', () => {
  equal(locate({ format: 'code', source: code }, ['api', 'run']), 9);
  equal(locate({ format: 'code', source: code }, ['web', 'routes']), 5);
  equal(locate({ format: 'code', source: code }, ['nothing']), 1);
});

const yaml = `name: shop
web:
  count: 3
  routes:
    - path: /
    - path: /b
api:
  count: 2
`;

test('in YAML a value is found by its path, list items included', () => {
  const at = (...path: string[]) => locate({ format: 'yaml', source: yaml }, path);
  equal(at('web', 'count'), 3);
  equal(at('api', 'count'), 8);
  equal(at('web', 'routes', '1', 'path'), 6);
  equal(at('web', 'missing'), 2);
  equal(at(), 1);
});

test('JSON is located like YAML', () => {
  equal(locate({ format: 'yaml', source: '{\n  "name": "shop",\n  "web": {\n    "count": 3\n  }\n}' }, ['web', 'count']), 4);
});
