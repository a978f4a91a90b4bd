import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StatusView } from '@haven/sdk';
import type { GatewayTraffic } from '../traffic.ts';
import { clusterFindings } from './cluster-checks.ts';
import { worstVerdict } from './finding.ts';
import { checkEphemeralPorts, checkFreeDisk, checkNode, checkPorts, checkRing, checkSync, percentile99 } from './machine-checks.ts';

const status: StatusView = {
  version: '0.1.0',
  startedAt: 0,
  now: 1_000_000,
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
      reserved: { cpu: 0, memoryBytes: 0 },
      instances: 0,
      limits: 'cgroup-v2',
      labels: {},
    },
  ],
  gateways: [{ name: 'gateway-1', address: { host: 'h', port: 1 }, adminAddress: { host: 'h', port: 2 }, pid: 1, appliedRevision: 12 }],
  apps: [],
  attention: [],
};
const traffic: ReadonlyMap<string, GatewayTraffic> = new Map([['gateway-1', { services: {} }]]);
const verdicts = (changed: Partial<StatusView>, answers = traffic) =>
  Object.fromEntries(clusterFindings({ ...status, ...changed }, { traffic: answers, wallNow: 1_000_100 }).map(({ check, verdict }) => [check, verdict]));

test('a cluster in order has nothing to mend', () => {
  deepEqual(verdicts({}), { 'clock skew': 'ok', leader: 'ok', nodes: 'ok', 'gateway-1': 'ok' });
});

test('no leader, no gateway that answers and no node that is ready are failures', () => {
  const { leader: _leader, ...leaderless } = status;
  const node = status.nodes[0];
  equal(clusterFindings(leaderless, { traffic, wallNow: 1_000_000 }).find(({ check }) => check === 'leader')?.verdict, 'fail');
  equal(verdicts({}, new Map())['gateway-1'], 'fail');
  equal(verdicts({ gateways: [] })['gateway'], 'fail');
  equal(verdicts({ nodes: node ? [{ ...node, condition: 'lost' }] : [] })['nodes'], 'fail');
  equal(verdicts({ nodes: node ? [node, { ...node, name: 'worker-2', condition: 'lost' }] : [] })['nodes'], 'warn');
});

test('a wrong clock, a node without limits and a gateway cut off from control are warnings', () => {
  const node = status.nodes[0];
  equal(verdicts({ now: 1_005_000 })['clock skew'], 'warn');
  equal(verdicts({ nodes: node ? [{ ...node, limits: 'none' }] : [] })['limits'], 'warn');
  equal(verdicts({}, new Map([['gateway-1', { services: {}, controlConnected: false, routesAgeSeconds: 60 }]]))['gateway-1'], 'warn');
});

test('the verdict over all is the worst', () => {
  const finding = (verdict: 'ok' | 'warn' | 'fail') => ({ check: 'a', verdict, found: '' });
  equal(worstVerdict([]), 'ok');
  equal(worstVerdict([finding('ok'), finding('warn')]), 'warn');
  equal(worstVerdict([finding('fail'), finding('warn')]), 'fail');
});

test('p99 is the nearest rank', () => {
  equal(percentile99(Array.from({ length: 200 }, (_, index) => index + 1)), 198);
  equal(percentile99([7]), 7);
});

test('an old Node fails', () => {
  equal(checkNode('24.1.0').verdict, 'ok');
  equal(checkNode('22.9.0').verdict, 'fail');
});

test('gateways without an io_uring are told of, and are no fault', () => {
  const before = process.env['HAVEN_GATEWAY_RING'];
  try {
    process.env['HAVEN_GATEWAY_RING'] = 'off';
    deepEqual(checkRing(), { check: 'io_uring', verdict: 'ok', found: 'not wanted: HAVEN_GATEWAY_RING=off' });
    delete process.env['HAVEN_GATEWAY_RING'];
    const { verdict, found } = checkRing();
    equal(verdict, 'ok');
    match(found, /^(gateways carry all their connections by it|none for gateways, which take more CPU: .+)$/);
  } finally {
    if (before === undefined) delete process.env['HAVEN_GATEWAY_RING'];
    else process.env['HAVEN_GATEWAY_RING'] = before;
  }
});

test('the disk is measured where the home will lie, and nothing is left there', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'haven-doctor-'));
  try {
    const home = { directory: join(directory, 'not', 'yet'), portBase: 7_700 };
    const finding = await checkSync(home);
    equal(finding.check, 'disk sync');
    equal(/^p99 \d+\.\d ms at .*haven-doctor-/.test(finding.found), true, finding.found);
    equal((await checkFreeDisk(home)).found.includes(directory), true);
    deepEqual(await import('node:fs/promises').then(({ readdir }) => readdir(directory)), []);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a port that another program holds is named', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  try {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const finding = await checkPorts({ directory: '/nowhere', portBase: port });
    equal(finding.verdict, 'fail');
    equal(finding.found.includes(String(port)), true, finding.found);
  } finally {
    server.close();
  }
});

test('a port base among the ports of outgoing connections is a warning that says where to go', async (t) => {
  const inside = await checkEphemeralPorts({ directory: '', portBase: 42_000 });
  if (!inside?.found.startsWith('outgoing connections use 32768 to 60999')) return t.skip('this machine has another range of outgoing ports');
  equal(inside.verdict, 'warn');
  equal(inside.next, 'set HAVEN_PORT_BASE to a number below 32469');
  equal((await checkEphemeralPorts({ directory: '', portBase: 7_700 }))?.verdict, 'ok');
});
