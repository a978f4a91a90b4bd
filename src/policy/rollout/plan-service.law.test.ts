import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Name } from '#base/name';
import { later } from '#model/moment';
import type { UpdateSpec } from '#model/spec';
import { type Quality, SERVICE, ServiceModel } from './service-model.ts';
import { crowds, fail, generator, run } from './service-scenario.ts';

type Disturbance =
  | { readonly kind: 'deploy'; readonly quality: Quality }
  | { readonly kind: 'scale'; readonly count: number }
  | { readonly kind: 'lose' | 'cut' | 'return' | 'drain' | 'undrain'; readonly node: number }
  | { readonly kind: 'gateway'; readonly alive: boolean }
  | { readonly kind: 'sick'; readonly slot: number }
  | { readonly kind: 'new-leader' };

const anyDisturbance: fc.Arbitrary<Disturbance> = fc.oneof(
  fc.record({ kind: fc.constant('deploy' as const), quality: fc.constantFrom<Quality>('good', 'good', 'crashes', 'never-ready') }),
  fc.record({ kind: fc.constant('scale' as const), count: fc.integer({ min: 0, max: 5 }) }),
  fc.record({
    kind: fc.constantFrom('lose' as const, 'cut' as const, 'return' as const, 'drain' as const, 'undrain' as const),
    node: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ kind: fc.constant('gateway' as const), alive: fc.boolean() }),
  fc.record({ kind: fc.constant('sick' as const), slot: fc.integer({ min: 1, max: 3 }) }),
  fc.constant({ kind: 'new-leader' as const }),
);
const anyUpdate: fc.Arbitrary<Partial<UpdateSpec>> = fc.constantFrom(
  { maxSurge: 1, maxUnavailable: 0 },
  { maxSurge: 0, maxUnavailable: 1 },
  { maxSurge: 2, maxUnavailable: 1, maxParallel: 2 },
  { maxSurge: 1, maxUnavailable: 0, autoRevert: false },
  { maxSurge: 1, maxUnavailable: 0, canary: 2 },
  { maxSurge: 0, maxUnavailable: 1, canary: 1 },
);

test('law: whatever happens, R2 and S1 hold, instances stay bounded, and a good deploy in a healed cluster converges (R8)', () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        mode: fc.constantFrom('balanced' as const, 'active-standby' as const),
        update: anyUpdate,
        script: fc.array(fc.tuple(fc.integer({ min: 100, max: 40_000 }), anyDisturbance), { maxLength: 10 }),
      }),
      ({ seed, mode, update, script }) => {
        const service = new ServiceModel({ nodes: 4, count: 3, mode, update, luck: generator(seed) });
        service.deploy('good');
        for (const [forMs, disturbance] of script) {
          run(service, forMs, 500);
          disturb(service, disturbance);
        }
        heal(service);
        run(service, 300_000, 1_000);
        const members = [...service.instances.values()];
        deepEqual(service.state.rollout, { phase: 'idle', release: service.app.release });
        deepEqual(members.map((each) => each.slot).sort(), [1, 2, 3]);
        deepEqual(new Set(members.map((each) => `${each.release} ${each.intent.kind}`)), new Set([`${service.app.release} run`]));
        // Three slots and four nodes, all of them fit: wherever they were before, nobody shares.
        deepEqual(crowds(service), [1, 1, 1]);
        if (mode === 'active-standby') equal(members.filter((each) => each.tier === 'primary').length, 1);
      },
    ),
    { numRuns: 25 },
  );
});

function disturb(service: ServiceModel, disturbance: Disturbance): void {
  const node = 'node' in disturbance ? service.nodes.get(`worker-${disturbance.node}` as Name) : undefined;
  switch (disturbance.kind) {
    case 'deploy':
      service.deploy(disturbance.quality);
      break;
    case 'scale':
      service.app = { ...service.app, counts: { [SERVICE]: disturbance.count } };
      break;
    case 'lose':
    case 'cut':
      fail(service, `worker-${disturbance.node}`, { power: disturbance.kind === 'cut' });
      break;
    case 'return':
      if (node !== undefined) Object.assign(node, { heard: true, powered: true });
      break;
    case 'drain':
      if (node !== undefined) node.drainDeadline = later(service.now, 60_000);
      break;
    case 'undrain':
      if (node !== undefined) node.drainDeadline = undefined;
      break;
    case 'gateway':
      Object.assign(service.gateways.get('gateway-2' as Name) ?? {}, { alive: disturbance.alive });
      break;
    case 'sick':
      for (const { id, slot } of service.instances.values()) if (slot === disturbance.slot) service.sick.add(id);
      break;
    case 'new-leader':
      service.observations = new Map();
      break;
  }
}

function heal(service: ServiceModel): void {
  for (const node of service.nodes.values()) Object.assign(node, { heard: true, powered: true, drainDeadline: undefined });
  for (const gateway of service.gateways.values()) gateway.alive = true;
  service.sick.clear();
  service.app = { ...service.app, counts: {} };
  service.deploy('good');
}
