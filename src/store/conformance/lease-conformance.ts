import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeaseId } from '../store.ts';
import { all, type MakeStore, put, rejects, take, told, useStore, write } from './store-under-test.ts';

/** Leases and the keys that end with them. */
export function leasesConformance(makeStore: MakeStore): void {
  const use = useStore(makeStore);

  test('a revoked lease takes all its keys in one revision', async () => {
    const lease = await use.store.grantLease(60_000);
    await write(use.store, put('a', '1', lease.id), put('b', '1', lease.id), put('c', '1'));
    const batches = use.store.watch(all, { signal: use.signal });
    await use.store.revokeLease(lease.id);
    assert.deepEqual(told(await take(batches, 1)), ['3: -a -b']);
    assert.deepEqual(
      (await use.store.list(all)).items.map((each) => each.key),
      ['c'],
    );
    assert.equal(await use.store.leaseStatus(lease.id), undefined);
  });

  test('a put without a lease detaches the key from it, another lease takes it over', async () => {
    const first = await use.store.grantLease(60_000);
    const second = await use.store.grantLease(60_000);
    await write(use.store, put('a', '1', first.id), put('b', '1', first.id));
    assert.equal((await use.store.get('a'))?.lease, first.id);
    await write(use.store, put('a', '2'), put('b', '2', second.id));
    assert.equal((await use.store.get('a'))?.lease, undefined);
    await use.store.revokeLease(first.id);
    assert.deepEqual(
      (await use.store.list(all)).items.map((each) => each.key),
      ['a', 'b'],
    );
    await use.store.revokeLease(second.id);
    assert.deepEqual(
      (await use.store.list(all)).items.map((each) => each.key),
      ['a'],
    );
  });

  test('a lease that is not kept ends, not before its duration, with its keys', async () => {
    const lease = await use.store.grantLease(120);
    assert.deepEqual(lease, { id: lease.id, durationMs: 120, remainingMs: 120 });
    await write(use.store, put('a', '1', lease.id), put('b', '1', lease.id));
    const batches = use.store.watch(all, { signal: use.signal });
    await use.sleep(20);
    assert.ok(((await use.store.leaseStatus(lease.id))?.remainingMs ?? 0) <= 101);
    assert.equal((await use.store.list(all)).count, 2);
    await use.sleep(300);
    assert.deepEqual(told(await take(batches, 1)), ['3: -a -b']);
    await assert.rejects(use.store.keepLease(lease.id), rejects('LEASE_LOST', { lease: lease.id }));
    await assert.rejects(write(use.store, put('c', '1', lease.id)), rejects('NOT_FOUND'));
  });

  test('a kept lease lives', async () => {
    const lease = await use.store.grantLease(250);
    await write(use.store, put('a', '1', lease.id));
    for (let n = 0; n < 6; n++) {
      await use.sleep(80);
      assert.deepEqual(await use.store.keepLease(lease.id), { ...lease, remainingMs: 250 });
    }
    assert.ok(await use.store.get('a'));
  });

  test('the end of a lease without keys does not move the revision', async () => {
    const lease = await use.store.grantLease(30);
    await use.sleep(200);
    assert.equal(await use.store.leaseStatus(lease.id), undefined);
    assert.equal((await use.store.status()).revision, 1);
  });

  test('revoking an unknown lease is fine, keeping it is LEASE_LOST, asking for it is undefined', async () => {
    const unknown = 'ffffffff' as LeaseId;
    await use.store.revokeLease(unknown);
    await assert.rejects(use.store.keepLease(unknown), rejects('LEASE_LOST'));
    assert.equal(await use.store.leaseStatus(unknown), undefined);
    await assert.rejects(use.store.grantLease(0), rejects('INVALID'));
  });
}
