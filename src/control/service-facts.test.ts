import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '#base/name';
import type { ServiceState } from '#model/app';
import type { Mirrored } from '#model/mirror';
import type { Moment } from '#model/moment';
import type { NodeCondition } from '#model/node';
import { snapshotOf } from './cluster-snapshot.ts';
import { serviceSnapshot } from './service-facts.ts';

const id = 'shop.web.1-1';
const app = { name: 'shop' as Name, release: 1, counts: {}, removing: false, activeSlots: {} };
const state: ServiceState = { app: app.name, service: 'web' as Name, nextSerial: 2, rollout: { phase: 'idle', release: 1 }, pending: [] };
const instance = {
  ...{ id, app: app.name, service: state.service, slot: 1, serial: 1, release: 1, node: 'worker-1' },
  ...{ spec: { listens: true, update: { minHealthyMs: 1 } }, intent: { kind: 'run' } },
};
const status = { id, node: 'worker-1', phase: 'running', attempt: 1 };

/** Whether the instance counts as ready while no gateway is alive. */
function isReady(condition: NodeCondition, objects: Readonly<Record<string, unknown>>): boolean | undefined {
  const items = Object.entries({ [`/instances/${id}`]: instance, [`/statuses/${id}`]: status, ...objects });
  const itemsByKey = new Map(items.map(([key, value]): [string, Mirrored<unknown>] => [key, { key, value, modRevision: 1, createRevision: 1 }]));
  const conditions = new Map([['worker-1' as Name, condition]]);
  const seen = { snapshot: snapshotOf(itemsByKey, 1), conditions, observations: new Map(), now: 1 as Moment };
  return serviceSnapshot(seen, { app, state, nodes: [] }).instances[0]?.readiness.ready;
}

test('without a gateway the word of an agent whose lease has ended does not count, even while nobody may be declared lost', () => {
  const heard = { '/agents/worker-1': { node: 'worker-1' } };
  equal(isReady('suspect', heard), true);
  equal(isReady('suspect', {}), false);
});
