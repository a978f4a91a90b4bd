import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '#base/name';
import type { Instance, InstanceId, InstanceStatus } from '#model/instance';
import type { Moment } from '#model/moment';
import type { BackendReport, GatewayStatus, Route } from '#model/route';
import { observe } from './observation.ts';
import { readinessOf } from './readiness.ts';
import { modelSpec } from './service-model.ts';

const id = 'shop.web.1-1' as InstanceId;
const instance = { id, spec: modelSpec(1, { count: 1 }), intent: { kind: 'run' } } as Instance;
const status = { phase: 'running', attempt: 2 } as InstanceStatus;

function gateway(name: string, appliedRevision: number, report: Partial<BackendReport> = {}): GatewayStatus {
  const backend: BackendReport = { attempt: 2, health: 'passing', transitions: 1, inFlight: 0, reason: '', ...report };
  return { name: name as Name, appliedRevision, backends: { [id]: backend } } as unknown as GatewayStatus;
}

function route(state: 'active' | 'draining', revision: number): { readonly value: Route; readonly revision: number } {
  return { value: { backends: [{ id, state }] } as unknown as Route, revision };
}

const isReady = (...gateways: GatewayStatus[]) => readinessOf({ instance, status, isAgentHeard: true }, { gateways }).ready;

test('R2, H2: ready is passing at every live gateway, for the attempt that runs', () => {
  equal(isReady(gateway('a', 1), gateway('b', 1)), true);
  equal(isReady(gateway('a', 1), gateway('b', 1, { health: 'failing' })), false);
  equal(isReady(gateway('a', 1, { health: 'unknown' })), false);
  equal(isReady(gateway('a', 1, { attempt: 1 })), false);
});

test('without a gateway the word of the agent counts, while it is heard', () => {
  equal(isReady(), true);
  equal(readinessOf({ instance, status, isAgentHeard: false }, { gateways: [] }).ready, false);
});

test('S1: unrouted is not active in the route, and every live gateway applied that', () => {
  const unrouted = (state: 'active' | 'draining', ...applied: number[]) =>
    readinessOf({ instance, status, isAgentHeard: true }, { route: route(state, 9), gateways: applied.map((revision, index) => gateway(`${index}`, revision)) })
      .unrouted;
  equal(unrouted('draining', 9, 12), true);
  equal(unrouted('draining', 9, 8), false);
  equal(unrouted('active', 9), false);
  equal(unrouted('draining'), true);
  equal(unrouted('active'), false);
});

test('H5: a restart or a change of health in between starts the time again; a gateway that comes or goes does not', () => {
  const at = (now: number, gateways: readonly GatewayStatus[], before?: ReturnType<typeof observe>, attempt = 2) => {
    const seen = { ...status, attempt };
    return observe(before, { instance, status: seen, readiness: readinessOf({ instance, status: seen, isAgentHeard: true }, { gateways }) }, now as Moment);
  };
  const first = at(100, [gateway('a', 1)]);
  deepEqual([first.readySince, first.wasHealthy], [100, false]);
  equal(at(200, [gateway('a', 1), gateway('b', 1)], first).readySince, 100);
  equal(at(3_100, [gateway('a', 1)], first).wasHealthy, true);
  equal(at(200, [gateway('a', 1, { transitions: 3 })], first).readySince, 200);
  equal(at(200, [gateway('a', 1, { attempt: 3 })], first, 3).readySince, 200);
  equal(at(200, [gateway('a', 1, { health: 'failing', transitions: 2 })], first).readySince, undefined);
});
