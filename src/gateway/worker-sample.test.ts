import { deepEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { Dataplane } from './dataplane/dataplane.ts';
import { Histogram } from './dataplane/histogram.ts';
import { backendAt, routeTo } from './live-fixture.ts';
import { withChanges } from './merged-samples.ts';
import { Sampler } from './worker-sample.ts';

const port = 4_000;
const routes = [routeTo([backendAt(1, port), backendAt(2, port)])];

function dataplaneWith(services = routes): Dataplane {
  const dataplane = new Dataplane(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
  dataplane.apply(1, services);
  return dataplane;
}

/** One function for each counter there is in these, however deep: it raises it. */
function counters(holder: object, path = ''): readonly (readonly [string, () => void])[] {
  return Object.entries(holder).flatMap(([name, value]) => {
    const at = `${path}.${name}`;
    const raised = holder as Record<string, number>;
    if (value instanceof Histogram) return [[at, () => value.add(0)] as const];
    if (value instanceof Float64Array) return [[at, () => (value[3] = (value[3] ?? 0) + 1)] as const];
    if (value instanceof Map) return [[at, () => value.set('refused', (value.get('refused') ?? 0) + 1)] as const];
    if (typeof value === 'number') return [[at, () => (raised[name] = value + 1)] as const];
    return counters(value as object, at);
  });
}

test('what is as it was when last sampled is not told again', () => {
  using dataplane = dataplaneWith();
  const sampler = new Sampler();
  deepEqual([Object.keys(sampler.take(dataplane).services.changed), Object.keys(sampler.take(dataplane).services.changed)], [['shop/web'], []]);
  const [, second] = dataplane.backends.values();
  second?.durations.add(3);
  const { services, backends } = sampler.take(dataplane);
  deepEqual([Object.keys(services.changed), Object.keys(backends.changed), backends.gone], [[], [second?.key], []]);
});

test('every counter of a service and of a backend is told again once it is raised', () => {
  using dataplane = dataplaneWith();
  const sampler = new Sampler();
  sampler.take(dataplane);
  const [service] = dataplane.services.values();
  const [backend] = dataplane.backends.values();
  ok(service !== undefined && backend !== undefined);
  const { durations, connects, ejections, answers, failures, departures, connectionsOpened, connectionsReused, connectionRaces } = backend;
  const ofBackend = [
    ...counters({ durations, connects, ejections }),
    ...Object.keys({ answers, failures, departures, connectionsOpened, connectionsReused, connectionRaces }).map(
      (name) => [name, () => ((backend as unknown as Record<string, number>)[name] = 1)] as const,
    ),
  ];
  for (const [name, raise] of [...counters(service.counts), ...counters(service.tcp)]) {
    raise();
    ok('shop/web' in sampler.take(dataplane).services.changed, `${name} was raised`);
  }
  for (const [name, raise] of ofBackend) {
    raise();
    ok(backend.key in sampler.take(dataplane).backends.changed, `${name} was raised`);
  }
});

test('a parent that adds up the changes has what a first sample would tell it, whatever came and went', () => {
  using dataplane = dataplaneWith();
  const sampler = new Sampler();
  const other = { ...routeTo([backendAt(3, port)], { matches: [{ host: 'other', path: '/' }] }), service: 'other' as never };
  const steps = [
    () => dataplane.services.get('shop/web')?.counts.answered(200, 0, 3),
    () => dataplane.apply(2, [...routes, other]),
    () => [...dataplane.backends.values()].at(-1)?.durations.add(1),
    () => dataplane.apply(3, routes),
    // Another of the same name, which has counted nothing.
    () => dataplane.apply(4, [routeTo([backendAt(1, port, { attempt: 2 })])]),
    () => dataplane.apply(5, []),
    () => dataplane.apply(6, [other]),
  ];
  let told = withChanges(undefined, sampler.take(dataplane));
  for (const step of steps) {
    step();
    told = withChanges(told, sampler.take(dataplane));
    const { services, backends } = withChanges(undefined, new Sampler().take(dataplane));
    deepEqual([told.services, told.backends], [services, backends]);
  }
});
