import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { DeployEvent, InstanceView, ServiceView } from '@haven/sdk';
import { DeployProgress } from './deploy-progress.ts';
import { type DeployResult, exitCodeOfDeploy, failureLines, successLine, urlsOf } from './deploy-result.ts';

const service: ServiceView = {
  app: 'shop',
  service: 'web',
  mode: 'balanced',
  count: 3,
  running: 0,
  healthy: 0,
  phase: 'rolling',
  release: 4,
  routes: [{ host: '*', path: '/' }],
  pending: [],
};

const instance: InstanceView = {
  id: 'shop.web.2-7',
  name: 'web.2',
  app: 'shop',
  service: 'web',
  slot: 2,
  release: 4,
  node: 'worker-1',
  state: 'starting',
  tier: 'primary',
  health: 'unknown',
  attempt: 1,
  restarts: 0,
  since: 0,
  reason: 'release 4',
};

function shownFor(steps: readonly (readonly [atMs: number, event: DeployEvent])[]): readonly string[] {
  const progress = new DeployProgress({ app: 'shop', release: 4, nowMs: 0 });
  return steps.flatMap(([atMs, event]) => progress.take(event, atMs));
}

test('each change of an instance is one line with its place, node and how long it took', () => {
  deepEqual(
    shownFor([
      [0, { kind: 'service', service }],
      [100, { kind: 'instance', instance }],
      [150, { kind: 'heartbeat' }],
      [500, { kind: 'instance', instance }],
      [900, { kind: 'instance', instance: { ...instance, state: 'running' } }],
      [1_900, { kind: 'instance', instance: { ...instance, state: 'unhealthy', reason: 'GET /healthz answered 500' } }],
      [2_000, { kind: 'instance-gone', id: instance.id, name: 'web.2' }],
    ]),
    [
      '[2/3] web.2 on worker-1: starting',
      '[2/3] web.2 on worker-1: running (0.8 s)',
      '[2/3] web.2 on worker-1: unhealthy, GET /healthz answered 500 (1.8 s)',
      '[2/3] web.2 on worker-1: gone',
    ],
  );
});

test('instances of the release before are told of only when they change', () => {
  const old: InstanceView = { ...instance, id: 'shop.web.2-3', release: 3, state: 'healthy' };
  deepEqual(
    shownFor([
      [0, { kind: 'instance', instance: old }],
      [1_000, { kind: 'instance', instance: { ...old, state: 'draining', reason: 'replaced by release 4' } }],
    ]),
    ['web.2 of release 3 on worker-1: draining, replaced by release 4 (1.0 s)'],
  );
});

test('why a service waits is said once, and only when it has held for a while', () => {
  const waiting: ServiceView = { ...service, pending: ['no node has 4 cores free'] };
  const progress = new DeployProgress({ app: 'shop', release: 4, nowMs: 0 });
  progress.take({ kind: 'service', service: waiting }, 0);
  deepEqual(progress.overdue(2_000), []);
  progress.take({ kind: 'service', service: { ...waiting, running: 1 } }, 2_500);
  deepEqual(progress.overdue(3_500), ['web: no node has 4 cores free']);
  deepEqual(progress.overdue(9_000), []);
});

test('a reason that passes soon is not told', () => {
  const progress = new DeployProgress({ app: 'shop', release: 4, nowMs: 0 });
  progress.take({ kind: 'service', service: { ...service, pending: ['web.1 is starting'] } }, 0);
  progress.take({ kind: 'service', service }, 1_000);
  deepEqual(progress.overdue(9_000), []);
});

test('what is healthy when first seen is no news, and the first attempt is no restart', () => {
  deepEqual(
    shownFor([
      [0, { kind: 'instance', instance: { ...instance, state: 'healthy' } }],
      [0, { kind: 'instance', instance: { ...instance, id: 'shop.web.3-9', name: 'web.3', slot: 3, attempt: 0 } }],
      [100, { kind: 'instance', instance: { ...instance, id: 'shop.web.3-9', name: 'web.3', slot: 3, attempt: 1 } }],
    ]),
    ['web.3 on worker-1: starting'],
  );
});

test('a restart that ends in the same state is a line of its own', () => {
  const lines = shownFor([
    [0, { kind: 'instance', instance }],
    [1_000, { kind: 'instance', instance: { ...instance, attempt: 2 } }],
  ]);
  equal(lines.length, 2);
});

test('the block has a line for each service and instance', () => {
  const progress = new DeployProgress({ app: 'shop', release: 4, nowMs: 0 });
  progress.take({ kind: 'service', service: { ...service, healthy: 1 } }, 0);
  progress.take({ kind: 'instance', instance }, 1_000);
  deepEqual(progress.block(3_000), ['shop release 4  3.0 s', '  web      rolling   1 of 3 healthy', '    web.2  starting  worker-1        2.0 s']);
});

const cause = {
  code: 'exited',
  message: 'web.2 ended with code 1 right after its start',
  instance: 'shop.web.2-9',
  node: 'worker-1',
  output: ['Error: \u001b[31mno database'],
};
const result = (rest: Partial<DeployResult>): DeployResult => ({ kind: 'result', app: 'shop', release: 4, outcome: 'stable', ...rest });

test('the exit code of a deploy is the truth', () => {
  equal(exitCodeOfDeploy(result({})), 0);
  equal(exitCodeOfDeploy(result({ outcome: 'reverted', cause })), 4);
  equal(exitCodeOfDeploy(result({ outcome: 'failed', cause })), 1);
  equal(exitCodeOfDeploy(result({ outcome: 'failed', cause: { ...cause, code: 'not-placed' } })), 3);
  equal(exitCodeOfDeploy(result({ outcome: 'superseded', supersededBy: 5 })), 6);
  equal(exitCodeOfDeploy(result({ outcome: 'removed' })), 6);
  equal(exitCodeOfDeploy(result({ outcome: 'vanished' as 'failed' })), 1);
});

test('a deploy without a change does not say that all of it runs while it does not', () => {
  const plain = (services: readonly { count: number; healthy: number }[], tookMs?: number) =>
    stripVTControlCharacters(successLine({ app: 'shop', release: 4 }, { services, ...(tookMs === undefined ? {} : { tookMs }) }));
  equal(plain([{ count: 3, healthy: 3 }], 2_000), '✓ shop runs release 4 after 2.0 s');
  equal(plain([{ count: 3, healthy: 3 }]), '✓ shop runs release 4');
  const some = [
    { count: 3, healthy: 1 },
    { count: 2, healthy: 3 },
  ];
  equal(plain(some), 'shop is at release 4; 3 of 5 instances are healthy now. Next: haven why shop');
});

test('a rolled back deploy says why, where, the last output and what runs', () => {
  deepEqual(failureLines(result({ outcome: 'reverted', cause, runs: 3 })), [
    'Release 4 of shop failed and was rolled back: web.2 ended with code 1 right after its start (on worker-1)',
    'Last output of web.2:',
    '  | Error: no database',
    'Release 3 of shop runs. Next: haven why shop',
  ]);
  ok(
    failureLines(result({ outcome: 'failed', cause }))
      .at(-1)
      ?.startsWith('No other release of shop took its place'),
  );
  deepEqual(failureLines(result({})), []);
});

test('where services run different releases, each is named with its own', () => {
  const services = [
    { service: 'api', phase: 'idle', runs: 4 },
    { service: 'jobs', phase: 'rolling' },
    { service: 'web', phase: 'failed', runs: 3 },
  ] as const;
  equal(
    failureLines(result({ outcome: 'reverted', cause, services })).at(-1),
    'api runs release 4, jobs is still on its way to release 4, web runs release 3. Next: haven why shop',
  );
});

test('the release command is a phase of its own, and its instance is not told of twice', () => {
  const command = { kind: 'release-command', at: 0 } as const;
  deepEqual(
    shownFor([
      [0, { ...command, state: 'waiting', reason: 'it finds no node' }],
      [1_000, { ...command, state: 'running', node: 'worker-1' }],
      [1_100, { kind: 'instance', instance: { ...instance, service: 'release', name: 'release.1' } }],
      [1_500, { ...command, state: 'running', node: 'worker-1' }],
      [3_500, { ...command, state: 'passed' }],
    ]),
    ['release command: waiting, it finds no node', 'release command on worker-1: running', 'release command: passed (2.5 s)'],
  );
});

test('a service is reached at its host, or at the gateway when any host will do', () => {
  const routes = [
    { host: '*', path: '/' },
    { host: 'shop.example.com', path: '/a' },
  ];
  deepEqual(urlsOf([{ ...service, routes }], { address: { host: '127.0.0.1', port: 7780 } }), ['http://127.0.0.1:7780/', 'http://shop.example.com:7780/a']);
  const secure = routes.map((route) => ({ ...route, tls: 'internal' as const }));
  const gateway = { address: { host: '127.0.0.1', port: 7780 }, httpsAddress: { host: '127.0.0.1', port: 7782 } };
  deepEqual(urlsOf([{ ...service, routes: secure }], gateway), ['https://127.0.0.1:7782/', 'https://shop.example.com:7782/a']);
});
