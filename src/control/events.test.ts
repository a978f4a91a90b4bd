import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { type Event, MAX_EVENTS_PER_OBJECT } from '#model/event';
import { PREFIX } from '#model/keys';
import type { Mirrored } from '#model/mirror';
import type { Moment } from '#model/moment';
import { MemoryStore } from '#store/memory/memory-store';
import type { Revision } from '#store/store';
import { Simulation } from '#world/simulated/simulation';
import type { Instant } from '#world/world';
import { snapshotOf } from './cluster-snapshot.ts';
import { EventLog } from './events.ts';
import { LeaderWriter } from './leader-writer.ts';
import { Term } from './leadership.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const simulation = new Simulation({ seed: 1, drain });
const { world } = simulation.host('control');

function setUp() {
  const store = new MemoryStore(world);
  const term = new Term(world, { epoch: 0 as Revision, deadline: Number.POSITIVE_INFINITY as Instant });
  const log = new EventLog({ epoch: 0 });
  const read = async () => {
    const { items, revision } = await store.list({ prefix: PREFIX.events });
    return snapshotOf(new Map(items.map((item): [string, Mirrored<unknown>] => [item.key, { ...item, value: JSON.parse(item.value) as Event }])), revision);
  };
  const flush = async () => await log.flush(await read(), new LeaderWriter(store, term));
  const messages = async () => (await store.list({ prefix: PREFIX.events })).items.map((item) => (JSON.parse(item.value) as Event).message);
  return { store, log, flush, messages };
}

function event(message: string, at: number): Event {
  return { object: 'app/shop', at: at as Moment, level: 'info', kind: 'placed', message };
}

test('what the last event says already is not written again, now or in a later pass', async () => {
  const { store, log, flush, messages } = setUp();
  for (const message of ['a', 'a', 'b']) log.add(event(message, 1));
  await flush();
  const { revision } = await store.status();
  log.add(event('b', 2));
  await flush();
  equal((await store.status()).revision, revision);
  log.add(event('a', 3));
  await flush();
  deepEqual(await messages(), ['a', 'b', 'a']);
});

test('an object keeps its newest events only', async () => {
  const { log, flush, messages } = setUp();
  for (let index = 0; index < 3 * MAX_EVENTS_PER_OBJECT; index++) {
    log.add(event(`${index}`, index));
    if (index % 7 === 0) await flush();
  }
  await flush();
  const kept = await messages();
  equal(kept.length, MAX_EVENTS_PER_OBJECT);
  equal(kept.at(-1), `${3 * MAX_EVENTS_PER_OBJECT - 1}`);
});
