import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { LEADER_KEY } from '#model/keys';
import { MemoryStore } from '#store/memory/memory-store';
import type { Store } from '#store/store';
import { Simulation } from '#world/simulated/simulation';
import { lead, type Term } from './leadership.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const leaseMs = 10_000;

function setUp() {
  const simulation = new Simulation({ seed: 4, drain });
  const store = new MemoryStore(simulation.host('store').world);
  const ending = new AbortController();
  const terms: Term[] = [];
  const run = (identity: string, of: Store = store) => {
    const { world } = simulation.host(identity);
    const work = async (term: Term): Promise<void> => {
      terms.push(term);
      await world.clock.sleep(1e9, term.signal);
    };
    return lead({ world, store: of, identity, leaseMs }, work, ending.signal);
  };
  const forMs = async (durationMs: number) => {
    await simulation.run({ untilMs: simulation.nowMs + durationMs });
  };
  return { simulation, store, ending, terms, run, forMs };
}

/** A store that answers renewals only while `isAnswering()`. */
function silent(store: Store, isAnswering: () => boolean): Store {
  return new Proxy(store, {
    get(target, property) {
      if (property === 'keepLease' && !isAnswering()) return () => new Promise(() => undefined);
      const value: unknown = Reflect.get(target, property);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('a leader that is answered stays leader in the same term', async () => {
  const { terms, run, forMs } = setUp();
  void run('a');
  await forMs(3_600_000);
  equal(terms.length, 1);
  ok(terms[0]?.isCurrent());
});

test('N2: a leader that gets no answer ends its term before its lease ends in the store', async () => {
  const { simulation, store, terms, run, forMs } = setUp();
  let isAnswering = true;
  void run(
    'a',
    silent(store, () => isAnswering),
  );
  await forMs(30_000);
  isAnswering = false;
  const silentSinceMs = simulation.nowMs;
  const [term] = terms;
  ok(term !== undefined);
  await simulation.run({ untilMs: simulation.nowMs + 20_000, until: () => term.signal.aborted });
  ok(hasCode(term.signal.reason, 'LEASE_LOST'));
  ok(simulation.nowMs - silentSinceMs <= leaseMs * 0.9);
});

test('a paused leader is not current when it goes on, before any of its timers has fired', async () => {
  const { simulation, terms, run, forMs } = setUp();
  void run('a');
  await forMs(5_000);
  simulation.host('a').pause();
  await forMs(15_000);
  equal(terms[0]?.isCurrent(), false);
});

test('a leader that stops in order frees the key at once; the next has a higher epoch', async () => {
  const { store, ending, terms, run, forMs } = setUp();
  const running = run('a');
  await forMs(1_000);
  ending.abort();
  await forMs(1);
  await running;
  equal(await store.get(LEADER_KEY), undefined);
  const again = setUp();
  void again.run('a');
  void again.run('b');
  await again.forMs(1_000);
  deepEqual(again.terms.length, 1);
  ok((terms[0]?.epoch ?? 0) > 0);
});

test('of two candidates one leads, and the other within a lease of its silence', async () => {
  const { simulation, terms, run, forMs } = setUp();
  void run('a');
  await forMs(1);
  void run('b');
  await forMs(60_000);
  equal(terms.length, 1);
  simulation.host('a').crash();
  await forMs(leaseMs + 2_000);
  equal(terms.length, 2);
  ok((terms[1]?.epoch ?? 0) > (terms[0]?.epoch ?? 0));
});
