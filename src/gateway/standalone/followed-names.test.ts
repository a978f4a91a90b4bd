import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { Simulation } from '#world/simulated/simulation';
import type { Found } from './backend-names.ts';
import { FollowedNames } from './followed-names.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Names that are followed in virtual time; what a look-up finds is in `zone`, and a name without an entry is unknown. */
function setUp(zone: Record<string, Found>, before: Readonly<Record<string, readonly string[]>> = {}) {
  const simulation = new Simulation({ seed: 4, drain });
  const { world } = simulation.host('gateway');
  const asked: string[] = [];
  const changes: Record<string, readonly string[]>[] = [];
  const names: FollowedNames = new FollowedNames(world, {
    before,
    lookUpWith: (servers) => async (name) => {
      asked.push(`${Math.floor(world.clock.now())} ${[...servers, name].join(' ')}`);
      const found = zone[name];
      if (found === undefined) throw new Error(`"${name}" is unknown`);
      return found;
    },
    onChange: () => changes.push(Object.fromEntries(names.found)),
  });
  return { simulation, names, asked, changes };
}

test('a name is asked for again when what was found no longer holds, and only another answer is told', async () => {
  const zone: Record<string, Found> = { a: { addresses: ['10.0.0.2', '10.0.0.1'], ttlSeconds: 2 } };
  const { simulation, names, asked, changes } = setUp(zone);
  using _names = names;
  names.follow(['a'], []);
  await simulation.run({ untilMs: 3_000 });
  zone['a'] = { addresses: ['10.0.0.1', '10.0.0.2'], ttlSeconds: 2 };
  await simulation.run({ untilMs: 5_000 });
  zone['a'] = { addresses: ['10.0.0.3'], ttlSeconds: 600 };
  await simulation.run({ untilMs: 65_000 });
  deepEqual(asked, ['0 a', '2000 a', '4000 a', '6000 a']);
  deepEqual(changes, [{ a: ['10.0.0.1', '10.0.0.2'] }, { a: ['10.0.0.3'] }]);
});

test('what was found last stays while a name is unknown, however long, and failures are repeated ever more rarely', async () => {
  const zone: Record<string, Found> = { a: { addresses: ['10.0.0.1'], ttlSeconds: 1 } };
  const { simulation, names, asked } = setUp(zone);
  using _names = names;
  names.follow(['a'], []);
  await simulation.run({ untilMs: 500 });
  delete zone['a'];
  await simulation.run({ untilMs: 600_000 });
  deepEqual(names.found.get('a'), ['10.0.0.1']);
  deepEqual(asked.slice(0, 6), ['0 a', '1000 a', '2000 a', '4000 a', '8000 a', '16000 a']);
  equal(asked.length < 20, true);
});

test('names that are no longer wanted are forgotten, others go on; other servers are asked at once', async () => {
  const zone: Record<string, Found> = { a: { addresses: ['10.0.0.1'], ttlSeconds: 60 }, b: { addresses: ['10.0.0.2'], ttlSeconds: 60 } };
  const { simulation, names, asked } = setUp(zone, { a: ['10.9.9.9'], c: ['10.8.8.8'] });
  using _names = names;
  names.follow(['a', 'b'], []);
  deepEqual(Object.fromEntries(names.found), { a: ['10.9.9.9'] }, 'what another process found holds until the first look-up');
  await simulation.run({ untilMs: 1_000 });
  names.follow(['b'], []);
  await simulation.run({ untilMs: 2_000 });
  names.follow(['b'], ['10.0.0.53']);
  await simulation.run({ untilMs: 3_000 });
  deepEqual(asked, ['0 a', '0 b', '2000 10.0.0.53 b']);
  deepEqual(Object.fromEntries(names.found), { b: ['10.0.0.2'] });
});

test('who waits for names waits until each was asked for once, or three seconds', async () => {
  const { simulation, names } = setUp({ a: { addresses: ['10.0.0.1'], ttlSeconds: 60 } });
  using _names = names;
  names.follow(['a', 'unknown'], []);
  await simulation.complete(names.settled());
  deepEqual(Object.fromEntries(names.found), { a: ['10.0.0.1'] });
});
