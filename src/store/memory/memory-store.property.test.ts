import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { PlatformError } from '#base/errors';
import { Simulation } from '#world/simulated/simulation';
import type { World } from '#world/world';
import { HeldJournal } from '../conformance/held-journal.ts';
import { StoreModel } from '../conformance/store-model.ts';
import { WatchChecker } from '../conformance/watch-checker.ts';
import { isInRange } from '../key-order.ts';
import { HISTORY_LIMITS } from '../mvcc.ts';
import type { KeyRange, LeaseId, Operation, Revision, TransactionResult } from '../store.ts';
import { MemoryStore } from './memory-store.ts';

const KEYS = ['a', 'a/1', 'a/2', 'ab', 'b', '\uff5e', '😀'];
const key = fc.constantFrom(...KEYS);
const range: fc.Arbitrary<KeyRange> = fc.oneof(
  key.map((each) => ({ key: each })),
  fc.constantFrom('', 'a', 'a/').map((prefix) => ({ prefix })),
  fc.tuple(key, key).map(([from, before]) => ({ from, before })),
);
const share = fc.double({ min: 0, max: 1, noNaN: true });
const count = fc.integer({ min: 1, max: 4 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), keys: fc.uniqueArray(key, { minLength: 1, maxLength: 3 }), isLeased: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), range }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('swap' as const), key, isRight: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lease' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('flush' as const), count }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const), range, share }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), share }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('watch' as const), range, share }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('drain' as const), count }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('disconnect' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** A world in which no time passes. */
function stoppedWorld(): World {
  return new Simulation({ seed: 1, drain: setImmediate }).host('store').world;
}

/** Runs steps on a store whose journal is slow, and on the model; every answer is compared as soon as it is given. */
class Trial {
  readonly journal = new HeldJournal();
  readonly world = stoppedWorld();
  readonly store = new MemoryStore(this.world, { journal: this.journal });
  readonly model = new StoreModel();
  readonly watchers: WatchChecker[] = [];
  readonly answers: Promise<void>[] = [];
  lease: LeaseId | undefined;
  leases = 0;
  durable = 1;
  oldest = 1;

  async run(steps: readonly Step[]): Promise<void> {
    await using _store = this.store;
    for (const each of steps) await this.#perform(each);
    await this.#flush(Number.POSITIVE_INFINITY);
    await Promise.all(this.answers);
    for (const watcher of this.watchers) await watcher.read(this.durable);
    assert.equal(this.durable, this.model.revision);
    this.#checkRestart();
  }

  async #perform(each: Step): Promise<void> {
    switch (each.do) {
      case 'put': {
        const lease = each.isLeased ? this.lease : undefined;
        const value = String(this.model.revision);
        this.model.write(new Map(each.keys.map((name) => [name, { value, lease }])));
        return this.#transact(each.keys.map((name) => ({ kind: 'put', key: name, value, ...(lease ? { lease } : {}) })));
      }
      case 'delete': {
        this.model.write(new Map(KEYS.filter((name) => isInRange(each.range, name)).map((name) => [name, undefined])));
        return this.#transact([{ kind: 'delete', range: each.range }]);
      }
      case 'swap':
        return this.#swap(each.key, each.isRight);
      case 'lease': {
        const granting = this.store.grantLease(60_000);
        await this.#flush(Number.POSITIVE_INFINITY);
        this.lease = (await granting).id;
        this.leases++;
        return;
      }
      case 'revoke':
        return this.#revoke();
      case 'flush':
        return await this.#flush(each.count);
      case 'read':
        return await this.#read(each.range, each.share);
      case 'compact':
        return await this.#compact(each.share);
      case 'watch': {
        const from = this.oldest + Math.floor(each.share * (this.durable - this.oldest));
        this.watchers.push(new WatchChecker({ store: this.store, model: this.model, range: each.range, from: Math.max(2, from) }));
        return;
      }
      case 'drain':
        for (const watcher of this.watchers) await watcher.read(this.durable, each.count);
        return;
      case 'disconnect':
        this.watchers[0]?.disconnect();
        this.watchers.push(...this.watchers.splice(0, 1));
        return;
    }
  }

  #transact(then: readonly Operation[]): void {
    this.#expect(this.store.transact({ compare: [], then }), true);
  }

  #swap(name: string, isRight: boolean): void {
    const at = (this.model.itemsAt(this.model.revision).get(name)?.modRevision ?? 0) + (isRight ? 0 : 1);
    const value = `swapped ${at}`;
    if (isRight) this.model.write(new Map([[name, { value }]]));
    const answer = this.store.transact({ compare: [{ key: name, target: 'modRevision', is: '=', to: at }], then: [{ kind: 'put', key: name, value }] });
    this.#expect(answer, isRight);
  }

  #revoke(): void {
    const { lease, model } = this;
    if (!lease) return;
    const ended = KEYS.filter((name) => model.itemsAt(model.revision).get(name)?.lease === lease);
    model.write(new Map(ended.map((name) => [name, undefined])));
    this.answers.push(this.store.revokeLease(lease));
    this.lease = undefined;
    this.leases--;
  }

  #expect(answer: Promise<TransactionResult>, succeeded: boolean): void {
    const { revision } = this.model;
    const check = answer.then((result) => {
      assert.deepEqual([result.succeeded, result.revision], [succeeded, revision]);
      assert.ok(this.durable >= revision, `revision ${revision} was answered while ${this.durable} was durable`);
    });
    // Awaited at the end of the trial; a trial that fails before says why itself.
    check.catch(() => undefined);
    this.answers.push(check);
  }

  async #flush(records: number): Promise<void> {
    this.durable = Math.max(this.durable, this.journal.flush(records));
    // Every answer that the durable records allow arrives now.
    await setImmediate();
  }

  async #read(wanted: KeyRange, part: number): Promise<void> {
    const revision = this.oldest + Math.floor(part * (this.durable - this.oldest));
    const items = this.model.list(wanted, revision);
    assert.deepEqual(await this.store.list(wanted, { revision: revision as Revision }), { items, count: items.length, revision: this.durable });
    assert.deepEqual((await this.store.list(wanted)).items, this.model.list(wanted, this.durable));
  }

  async #compact(part: number): Promise<void> {
    const revision = this.oldest + Math.floor(part * (this.durable - this.oldest));
    if (revision <= this.oldest) return;
    const compacting = this.store.compact(revision as Revision);
    await this.#flush(Number.POSITIVE_INFINITY);
    await compacting;
    this.oldest = revision;
  }

  #checkRestart(): void {
    const restored = this.journal.restore(this.world.clock.now());
    assert.deepEqual([restored.revision, restored.oldest, restored.leases.size], [this.durable, this.oldest, this.leases]);
    for (let revision = this.oldest; revision <= this.durable; revision++) {
      const { items } = restored.list({ prefix: '' }, { revision: revision as Revision });
      assert.deepEqual(items, this.model.list({ prefix: '' }, revision));
      const told = restored.commitAt(revision)?.changes.map((change) => change.key) ?? [];
      assert.equal(told.length, this.model.eventsAt({ prefix: '' }, revision).length);
    }
  }
}

test('with a slow journal, compaction and reconnects, every answer and event is the one of a plain list of revisions', async () => {
  let batchesSeen = 0;
  let lostToCompaction = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 300, size: 'max' }), async (steps) => {
      const trial = new Trial();
      await trial.run(steps);
      for (const watcher of trial.watchers) {
        batchesSeen += watcher.batchesSeen;
        lostToCompaction += watcher.lostToCompaction;
      }
    }),
    { numRuns: 100 },
  );
  // How often is luck; that both happen is not, with as many steps as these.
  assert.ok(batchesSeen > 1_000 && lostToCompaction > 0, `the trials must reach what they check: ${batchesSeen} batches, ${lostToCompaction} compactions`);
});

test('after the journal failed, writes are UNAVAILABLE and reads go on at the last durable revision', async () => {
  const journal = new HeldJournal();
  await using store = new MemoryStore(stoppedWorld(), { journal });
  const put = (value: string) => store.transact({ compare: [], then: [{ kind: 'put', key: 'a', value }] });
  const first = put('durable');
  journal.flush();
  await first;
  const lost = [put('lost'), put('lost too'), store.transact({ compare: [], then: [{ kind: 'read', range: { key: 'a' } }] })];
  const failure = new PlatformError('UNAVAILABLE', 'The disk is gone');
  journal.fail(failure);
  for (const each of [...lost, put('later'), store.grantLease(1_000)]) await assert.rejects(each, failure);
  assert.equal((await store.get('a'))?.value, 'durable');
  assert.deepEqual(await store.status(), { revision: 2, oldest: 1, keys: 1, failure: 'The disk is gone' });
});

test('history is discarded by itself once it is both old and long, or too big', async () => {
  const world = stoppedWorld();
  const fill = async (history: Partial<typeof HISTORY_LIMITS>) => {
    await using store = new MemoryStore(world, { history: { ...HISTORY_LIMITS, ...history } });
    for (let n = 0; n < 3_000; n++) await store.transact({ compare: [], then: [{ kind: 'put', key: 'a', value: 'x'.repeat(100) }] });
    const { oldest, revision } = await store.status();
    return revision - oldest;
  };
  assert.equal(await fill({ keepRevisions: 500 }), 3_000);
  assert.equal(await fill({ keepMs: 0, keepRevisions: 10_000 }), 3_000);
  const kept = await fill({ keepMs: 0, keepRevisions: 500 });
  assert.ok(kept >= 500 && kept < 800, String(kept));
  const small = await fill({ maxBytes: 300_000 });
  assert.ok(small < 1_300, String(small));
});
