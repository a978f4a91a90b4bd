import { deepEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { parseName } from '#base/name';
import { instanceIdOf } from '#model/instance';
import type { Backend, Route } from '#model/route';
import type { Check } from '#model/spec';
import { Simulation } from '#world/simulated/simulation';
import { backendKey } from './dataplane/backend.ts';
import { CHECK_PACE, HealthChecks } from './health-checks.ts';

const APP = parseName('shop', 'an app');
const WEB = parseName('web', 'a service');
const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const firstPort = 4_000;

function httpCheck(path: string): Check {
  return { probe: { kind: 'http', path }, intervalMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 };
}

function backendAt(slot: number, check?: Check): Backend {
  const base = { id: instanceIdOf(APP, WEB, slot, 1), name: `web.${slot}`, attempt: 1, address: { host: 'node', port: firstPort + slot } } as const;
  return { ...base, weight: 1, tier: 'primary', state: 'active', ...(check && { check }) };
}

function routeTo(backends: readonly Backend[], check?: Check): Route {
  return { app: APP, service: WEB, matches: [{ host: '*', path: '/' }], balance: 'round-robin', backends, ...(check && { check }) };
}

/** Backends that answer 200 on one path each and 404 on all others. */
async function setUp(paths: readonly string[]) {
  const simulation = new Simulation({ seed: 3, drain });
  const asked = new Set<string>();
  const node = simulation.host('node').world;
  for (const [index, path] of paths.entries()) {
    const serving = node.network.serve({ host: '0.0.0.0', port: firstPort + index + 1 }, async (request) => {
      asked.add(`${index + 1} ${request.path}`);
      const body = (async function* () {})();
      return { status: request.path === path ? 200 : 404, headers: {}, body };
    });
    await simulation.complete(serving);
  }
  const checks = new HealthChecks(simulation.host('gateway').world, () => undefined);
  return { simulation, checks, asked };
}

test("each backend is asked its own check, else the route's", async () => {
  const { simulation, checks, asked } = await setUp(['/old', '/new']);
  using _checks = checks;
  const backends = [backendAt(1), backendAt(2, httpCheck('/new'))];
  checks.configure([routeTo(backends, httpCheck('/old'))]);
  await simulation.run({ untilMs: 10_000 });
  deepEqual(
    backends.map((backend) => checks.get(backendKey(backend))?.health),
    ['passing', 'passing'],
  );
  deepEqual([...asked].sort(), ['1 /old', '2 /new']);
});

test('without any check an accepted connection passes, beside a backend that has one', async () => {
  const { simulation, checks, asked } = await setUp(['/nothing', '/new']);
  using _checks = checks;
  const backends = [backendAt(1), backendAt(2, httpCheck('/wrong')), backendAt(3)];
  checks.configure([routeTo(backends)]);
  await simulation.run({ untilMs: 10_000 });
  deepEqual(
    backends.map((backend) => checks.get(backendKey(backend))?.health),
    ['passing', 'failing', 'failing'],
  );
  deepEqual([...asked], ['2 /wrong']);
});

test("a backend's check that changes is asked from then on, and its health is kept", async () => {
  const { simulation, checks, asked } = await setUp(['/old']);
  using _checks = checks;
  checks.configure([routeTo([backendAt(1)], httpCheck('/old'))]);
  await simulation.run({ untilMs: 5_000 });
  checks.configure([routeTo([backendAt(1, httpCheck('/new'))], httpCheck('/old'))]);
  deepEqual(checks.get(backendKey(backendAt(1)))?.health, 'passing');
  await simulation.run({ untilMs: 20_000 });
  deepEqual([checks.get(backendKey(backendAt(1)))?.health, [...asked].sort()], ['failing', ['1 /new', '1 /old']]);
});

test('a backend that was well in an earlier life is taken for well at once, asked at once, and out after as many failures as ever (R-33)', async () => {
  const { simulation, checks, asked } = await setUp(['/good', '/good']);
  using _checks = checks;
  const backends = [backendAt(1, httpCheck('/good')), backendAt(2, httpCheck('/bad')), backendAt(3, httpCheck('/new'))];
  const was = (index: number, health: 'passing' | 'failing') => ({ key: backendKey(backendAt(index)), health, reachable: true, reason: '' }) as const;
  checks.assume([was(1, 'passing'), was(2, 'passing')]);
  checks.configure([routeTo(backends)]);
  const seen = () => backends.map((backend) => checks.get(backendKey(backend))).map((known) => `${known?.health}${known?.isAssumed ? ' (assumed)' : ''}`);
  deepEqual(seen(), ['passing (assumed)', 'passing (assumed)', 'unknown']);
  await simulation.run({ untilMs: 300 });
  deepEqual([...asked].sort(), ['1 /good', '2 /bad'], 'asked before the interval is over');
  deepEqual(seen(), ['passing', 'passing', 'failing'], 'what never was known is judged by its first check');
  await simulation.run({ untilMs: 1_500 });
  deepEqual(seen(), ['passing', 'failing', 'failing']);
});

/** A backend that answers what it is told to, and the moments it was asked at, in ms. */
async function setUpOne(statusAt: (nowMs: number) => number, route: Partial<Route> = {}, backend: Partial<Backend> = {}) {
  const simulation = new Simulation({ seed: 5, drain });
  const askedAt: number[] = [];
  const node = simulation.host('node').world;
  const serving = node.network.serve({ host: '0.0.0.0', port: firstPort + 1 }, async () => {
    askedAt.push(node.clock.now());
    return { status: statusAt(node.clock.now()), headers: {}, body: (async function* () {})() };
  });
  await simulation.complete(serving);
  const changes: string[] = [];
  const checks = new HealthChecks(simulation.host('gateway').world, ({ health }) => changes.push(health));
  checks.configure([{ ...routeTo([{ ...backendAt(1), ...backend }], httpCheck('/ready')), ...route }]);
  return { simulation, checks, askedAt, changes };
}

function gaps(askedAt: readonly number[], fromMs: number, toMs: number): readonly number[] {
  const within = askedAt.filter((at) => at >= fromMs && at < toMs);
  return within.slice(1).map((at, index) => at - (within[index] ?? 0));
}

const isAbout = (expectedMs: number) => (gapMs: number) => Math.abs(gapMs - expectedMs) <= CHECK_PACE.jitter * expectedMs + 50;

test('checks have their own speed, a fast one while something changes, and a slow one for who is down (R-22)', async () => {
  const { simulation, checks, askedAt, changes } = await setUpOne((now) => (now < 20_000 || now >= 80_000 ? 200 : 500));
  using _checks = checks;
  await simulation.run({ untilMs: 120_000 });
  const steady = gaps(askedAt, CHECK_PACE.youngForMs + 1_500, 20_000);
  const down = gaps(askedAt, 40_000, 80_000);
  ok(steady.length >= 3 && steady.every(isAbout(2_000)), steady.join(' '));
  ok(down.length >= 6 && down.every(isAbout(CHECK_PACE.downMs)), down.join(' '));
  const failures = askedAt.filter((at) => at >= 20_000);
  ok(gaps(failures.slice(0, 3), 0, Number.POSITIVE_INFINITY).every(isAbout(CHECK_PACE.fastMs)), failures.slice(0, 3).join(' '));
  const passes = askedAt.filter((at) => at >= 80_000);
  ok(gaps(passes.slice(0, 2), 0, Number.POSITIVE_INFINITY).every(isAbout(CHECK_PACE.fastMs)), passes.slice(0, 2).join(' '));
  ok(gaps(passes.slice(2), 0, Number.POSITIVE_INFINITY).every(isAbout(2_000)));
  deepEqual(changes, ['passing', 'failing', 'passing']);
});

test('who has come to pass for the first time is asked every second for a while, because a deploy goes by it (H3)', async () => {
  const slow = { check: { ...httpCheck('/ready'), intervalMs: 5_000 } };
  const { simulation, checks, askedAt } = await setUpOne(() => 200, slow);
  using _checks = checks;
  await simulation.run({ untilMs: 60_000 });
  const young = gaps(askedAt, 1_500, CHECK_PACE.youngForMs);
  ok(young.length >= 6 && young.every(isAbout(CHECK_PACE.youngMs)), young.join(' '));
  const steady = gaps(askedAt, CHECK_PACE.youngForMs + 2_000, 60_000);
  ok(steady.length >= 6 && steady.every(isAbout(5_000)), steady.join(' '));
});

test('who has just gone down is asked at the usual speed for a while, because most come back soon', async () => {
  const { simulation, checks, askedAt } = await setUpOne((now) => (now < 20_000 ? 200 : 500));
  using _checks = checks;
  await simulation.run({ untilMs: 31_000 });
  const down = gaps(askedAt, 23_500, 31_000);
  ok(down.length >= 2 && down.every(isAbout(2_000)), down.join(' '));
});

test('the first result ever decides alone, whatever it is', async () => {
  const { simulation, checks, changes } = await setUpOne(() => 503);
  using _checks = checks;
  await simulation.run({ untilMs: 400 });
  deepEqual(changes, ['failing']);
});

test('backends that come together are not asked together for long', async () => {
  const simulation = new Simulation({ seed: 9, drain });
  const askedAt = new Map<number, number[]>();
  const node = simulation.host('node').world;
  const count = 20;
  for (let slot = 1; slot <= count; slot++) {
    const serving = node.network.serve({ host: '0.0.0.0', port: firstPort + slot }, async () => {
      askedAt.set(slot, [...(askedAt.get(slot) ?? []), node.clock.now()]);
      return { status: 200, headers: {}, body: (async function* () {})() };
    });
    await simulation.complete(serving);
  }
  using checks = new HealthChecks(simulation.host('gateway').world, () => undefined);
  checks.configure([
    routeTo(
      Array.from({ length: count }, (_, index) => backendAt(index + 1)),
      httpCheck('/ready'),
    ),
  ]);
  await simulation.run({ untilMs: 10_000 });
  const second = [...askedAt.values()].map(([, at = 0]) => at);
  ok(Math.max(...second) - Math.min(...second) > CHECK_PACE.youngMs / 2, second.join(' '));
  const crowded = second.filter((at) => second.filter((other) => Math.abs(other - at) < 100).length > count / 2);
  deepEqual(crowded, []);
});

test('one that drains is asked only where it may still serve', async () => {
  const draining = { state: 'draining' } as const;
  const never = await setUpOne(() => 200, {}, draining);
  using _never = never.checks;
  await never.simulation.run({ untilMs: 10_000 });
  deepEqual(never.askedAt, []);
  const still = await setUpOne(() => 200, { settings: { usesDraining: true } }, draining);
  using _still = still.checks;
  await still.simulation.run({ untilMs: 10_000 });
  deepEqual(still.changes, ['passing']);
});

test('checks of many backends begin in the same few turns, and each backend is asked as often as it should be', async () => {
  const count = 20;
  const simulation = new Simulation({ seed: 3, drain });
  const { world } = simulation.host('gateway');
  const arrivals: number[] = [];
  const serving = simulation.host('node').world.network.serve({ host: '0.0.0.0', port: firstPort }, async () => {
    arrivals.push(world.clock.now());
    return { status: 200, headers: {}, body: (async function* () {})() };
  });
  await simulation.complete(serving);
  using checks = new HealthChecks(world, () => undefined);
  const backends = Array.from({ length: count }, (_, i) => ({ ...backendAt(i + 1, httpCheck('/')), address: { host: 'node', port: firstPort } }));
  checks.configure([routeTo(backends)]);
  await simulation.run({ untilMs: 20_000 });
  arrivals.length = 0;
  await simulation.run({ untilMs: 60_000 });
  // Ten turns in two seconds, and some milliseconds on the way.
  const late = arrivals.filter((at) => at % 200 > 20);
  deepEqual(late, []);
  const expected = count * 20;
  ok(arrivals.length > 0.95 * expected && arrivals.length < 1.05 * expected, `${arrivals.length} checks`);
});
