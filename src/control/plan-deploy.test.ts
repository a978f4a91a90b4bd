import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '#base/name';
import { exampleService } from '#model/example-service';
import type { Mirrored } from '#model/mirror';
import type { AppSpec } from '#model/spec';
import { snapshotOf } from './cluster-snapshot.ts';
import { planDeploy } from './plan-deploy.ts';
import { scriptedApp } from './scripted-parts.ts';

const name = (text: string): Name => text as Name;
const MIB = 2 ** 20;

function objects(spec: AppSpec | undefined): Map<string, Mirrored<unknown>> {
  const items = new Map<string, Mirrored<unknown>>();
  const put = (key: string, value: unknown) => items.set(key, { key, value, modRevision: 5, createRevision: 5 });
  for (const node of ['worker-1', 'worker-2']) {
    put(`/nodes/${node}`, { name: node, pool: 'worker', provider: 'local', index: 1, labels: {}, power: 'on' });
    put(`/agents/${node}`, { node, capacity: { cpu: 1, memoryBytes: 256 * MIB } });
  }
  if (spec === undefined) return items;
  put('/apps/shop', { name: 'shop', release: 1, counts: {}, removing: false, activeSlots: {} });
  put('/releases/shop/00000001', { app: 'shop', number: 1, spec, createdAt: 0, outcome: { kind: 'stable', at: 0 } });
  for (const service of Object.values(spec.services)) {
    put(`/services/shop/${service.name}`, {
      app: 'shop',
      service: service.name,
      nextSerial: 9,
      internalPort: 7800,
      rollout: { phase: 'idle', release: 1 },
      pending: [],
    });
    for (let slot = 1; slot <= service.count; slot++) {
      const id = `shop.${service.name}.${slot}-${slot}`;
      put(`/instances/${id}`, { id, app: 'shop', service: service.name, slot, serial: slot, node: `worker-${slot}`, spec: service, intent: { kind: 'run' } });
    }
  }
  return items;
}

function plan(current: AppSpec | undefined, spec: AppSpec) {
  const conditions = new Map([
    [name('worker-1'), 'ready' as const],
    [name('worker-2'), 'ready' as const],
  ]);
  return planDeploy({ snapshot: snapshotOf(objects(current), 9), conditions, spec, counts: {} });
}

const check = { ready: { probe: { kind: 'tcp' as const }, intervalMs: 1_000, timeoutMs: 1_000, rise: 2, fall: 3 } };
const web = (changes: Parameters<typeof exampleService>[1] = {}) => {
  const service = exampleService(name('web'), changes);
  return { ...service, checks: { ...service.checks, ...check } };
};

test('a first deploy is a create with a node for each instance', () => {
  deepEqual(plan(undefined, scriptedApp(name('shop'), [web()])), {
    services: [
      {
        service: 'web',
        change: 'create',
        restarts: [],
        placements: [
          { instance: 'web.1', node: 'worker-1', reason: 'spread over 2 nodes' },
          { instance: 'web.2', node: 'worker-2', reason: 'spread over 2 nodes' },
        ],
      },
    ],
    warnings: [],
  });
});

test('instances are placed in the order of the deploy, the active one last, and told in the order of their slots', () => {
  const { services } = plan(undefined, scriptedApp(name('shop'), [web({ mode: 'active-standby' })]));
  deepEqual(
    services[0]?.placements.map(({ instance, node }) => [instance, node]),
    [
      ['web.1', 'worker-2'],
      ['web.2', 'worker-1'],
    ],
  );
});

test('a change of the command replaces, one of routes or count does not', () => {
  const current = scriptedApp(name('shop'), [web()]);
  const changes = (spec: AppSpec) =>
    plan(current, spec).services.map(({ change, restarts, placements }) => [change, restarts, placements.map((each) => each.instance)]);
  deepEqual(changes(current), [['none', [], []]]);
  deepEqual(changes(scriptedApp(name('shop'), [web({ run: { kind: 'process', command: ['bun'] } })])), [['replace', ['command'], ['web.1', 'web.2']]]);
  deepEqual(changes(scriptedApp(name('shop'), [web({ routes: [{ host: '*', path: '/' }], count: 3 })])), [['in-place', [], ['web.3']]]);
});

test('a new sibling that listens restarts the others, because they learn its address', () => {
  const { services } = plan(scriptedApp(name('shop'), [web()]), scriptedApp(name('shop'), [web(), exampleService(name('api'), { count: 1 })]));
  deepEqual(
    services.map(({ service, change, restarts }) => [service, change, restarts]),
    [
      ['api', 'create', []],
      ['web', 'replace', ['environment']],
    ],
  );
});

test('what finds no node says why, node by node', () => {
  const { services } = plan(undefined, scriptedApp(name('shop'), [web({ count: 3, resources: { cpu: 0.1, memoryBytes: 200 * MIB } })]));
  deepEqual(services[0]?.placements[2], { instance: 'web.3', reason: 'worker-1, worker-2: needs 200Mi, 56Mi free' });
});

test('H7: a service that listens without a check is warned about', () => {
  const { warnings } = plan(undefined, scriptedApp(name('shop'), [exampleService(name('web'))]));
  equal(warnings[0], 'web has no check: an instance counts as healthy once it has run for 3s without a restart');
});
