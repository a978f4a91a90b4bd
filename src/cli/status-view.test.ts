import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceView, ServiceView, StatusView } from '@haven/sdk';
import { nodeRow, renderStatus } from './status-view.ts';
import { parseTraffic } from './traffic.ts';

const at = 1_700_000_000_000;

const web: ServiceView = {
  app: 'shop',
  service: 'web',
  mode: 'balanced',
  count: 2,
  running: 2,
  healthy: 1,
  phase: 'idle',
  release: 4,
  routes: [{ host: '*', path: '/' }],
  pending: [],
};

const status: StatusView = {
  version: '0.1.0',
  startedAt: at - 300_000,
  now: at,
  store: { revision: 12, oldest: 1, keys: 9 },
  leader: { name: 'control-1', epoch: 3 },
  pools: [],
  nodes: [
    {
      name: 'worker-1',
      pool: 'worker',
      provider: 'local',
      condition: 'ready',
      power: 'on',
      cordon: { since: at, reason: 'disk' },
      capacity: { cpu: 1, memoryBytes: 2 ** 30 },
      reserved: { cpu: 0.2, memoryBytes: 2 ** 28 },
      instances: 2,
      limits: 'none',
      labels: {},
    },
  ],
  gateways: [{ name: 'gateway-1', address: { host: '127.0.0.1', port: 7780 }, adminAddress: { host: '127.0.0.1', port: 7781 }, pid: 1, appliedRevision: 12 }],
  apps: [{ name: 'shop', revision: 5, release: 4, state: 'degraded', services: [web] }],
  attention: ['web.2 of shop is unhealthy', 'Node worker-1 holds no limits'],
};

const instance: InstanceView = {
  id: 'shop.web.1-7',
  name: 'web.1',
  app: 'shop',
  service: 'web',
  slot: 1,
  release: 4,
  node: 'worker-1',
  state: 'healthy',
  tier: 'primary',
  health: 'passing',
  attempt: 1,
  restarts: 0,
  since: at - 4_000,
  reason: 'release 4',
};

const instances: readonly InstanceView[] = [
  instance,
  {
    ...instance,
    id: 'shop.web.2-8',
    name: 'web.2',
    slot: 2,
    state: 'unhealthy',
    restarts: 3,
    since: at - 200_000,
    reason: 'GET /healthz answered \u001b[31m500',
  },
];

test('one screen shows nodes, apps with their instances, routes with their figures and what needs attention', () => {
  const traffic = parseTraffic({ services: { 'shop/web': { requestsPerSecond: 120.4, p50Ms: 1.23, p95Ms: 4, p99Ms: 12.6, answers: { '2xx': 1_204 } } } });
  ok(traffic);
  deepEqual(renderStatus({ status, instances, traffic }), [
    'Haven 0.1.0 · up 5m · led by control-1 · 1 of 1 node ready · apps at http://127.0.0.1:7780',
    '',
    'NODE      POOL    CONDITION  INSTANCES    CPU     MEMORY  NOTE',
    'worker-1  worker  ready              2  0.2/1  256Mi/1Gi  cordoned: disk, limits not enforced',
    '',
    'APP        STATE      WHERE           SINCE',
    'shop       degraded   release 4',
    '  web                 1 of 2 healthy',
    '    web.1  healthy    worker-1           4s',
    '    web.2  unhealthy  worker-1           3m  3 restarts  GET /healthz answered 500',
    '',
    'ROUTE  SERVICE   REQUESTS/S     P50     P95    P99  ERRORS',
    '*/     shop/web         120  1.2 ms  4.0 ms  13 ms       0',
    '',
    'Needs attention',
    '  web.2 of shop is unhealthy',
    '  Node worker-1 holds no limits',
  ]);
});

test('a node that is drained says so once, and why if somebody gave a reason', () => {
  const note = (node: Partial<StatusView['nodes'][number]>) =>
    nodeRow({ ...(status.nodes[0] as StatusView['nodes'][number]), limits: 'cgroup-v2', ...node }).at(-1);
  const drain = { since: at, deadline: at + 1 };
  equal(note({ drain, cordon: { since: at, reason: 'draining' } }), 'draining');
  equal(note({ drain, cordon: { since: at, reason: 'draining' }, instances: 0 }), 'drained');
  equal(note({ drain, cordon: { since: at, reason: 'new disk' }, instances: 0 }), 'drained, cordoned: new disk');
});

test('a route for HTTPS is shown as its URL', () => {
  const [shop] = status.apps;
  const routes = [
    { host: 'shop.test', path: '/a', tls: 'internal' as const },
    { host: '*', path: '/', tls: 'internal' as const },
  ];
  const apps = shop === undefined ? [] : [{ ...shop, services: [{ ...web, routes }] }];
  const gateways = status.gateways.map((gateway) => ({ ...gateway, httpsAddress: { host: '127.0.0.1', port: 7782 } }));
  const lines = renderStatus({ status: { ...status, apps, gateways }, instances });
  deepEqual(
    lines.map((line) => line.split(' ')[0]).filter((place) => place?.startsWith('https')),
    ['https://shop.test:7782/a', 'https://127.0.0.1:7782/'],
  );
});

test('without the gateway the routes are shown without figures', () => {
  ok(renderStatus({ status, instances }).includes('*/     shop/web           -    -    -    -       -'));
});

test('for one app only its own part is shown', () => {
  const lines = renderStatus({
    status: { ...status, apps: [...status.apps, { ...status.apps[0], name: 'blog', revision: 1, release: 1, state: 'running', services: [] }] },
    instances,
    app: 'shop',
  });
  equal(
    lines.some((line) => line.includes('blog') || line.includes('worker  ready')),
    false,
  );
  ok(lines.includes('  web.2 of shop is unhealthy'));
});

test('an empty cluster says what to do', () => {
  const lines = renderStatus({ status: { ...status, nodes: [], apps: [], gateways: [], attention: [] }, instances: [] });
  ok(lines.includes('No nodes. Next: haven pool create worker --nodes 3'));
  ok(lines.includes('No apps. Next: haven deploy'));
  ok(lines.includes('Nothing needs attention'));
});

test('what a gateway says is read with care', () => {
  equal(parseTraffic(null), undefined);
  equal(parseTraffic([1]), undefined);
  deepEqual(parseTraffic({ services: 'none', routesAgeSeconds: 'long' }), { services: {} });
  deepEqual(
    parseTraffic({ services: { 'shop/web': { requestsPerSecond: 'many' }, 'shop/api': null }, revision: 7, controlConnected: false, routesAgeSeconds: 3 }),
    {
      services: {},
      appliedRevision: 7,
      controlConnected: false,
      routesAgeSeconds: 3,
    },
  );
});

test('answers of class 5xx and requests without an answer are errors', () => {
  const figures = { requestsPerSecond: 1, p50Ms: 1, p95Ms: 1, p99Ms: 1 };
  equal(parseTraffic({ services: { a: { ...figures, answers: { '2xx': 5, '4xx': 9, '5xx': 2, '0xx': 1 } } } })?.services['a']?.errors, 3);
});
