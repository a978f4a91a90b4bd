import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instance } from '#model/instance';
import type { Mirrored } from '#model/mirror';
import { type Admission, admitInstances } from './epoch-guard.ts';
import { EXAMPLE_NODE, exampleInstance } from './testing/example-instance.ts';

function item(slot: number, epoch: number, modRevision: number, changes: Partial<Instance> = {}): Mirrored<Instance> {
  const value = { ...exampleInstance({ slot, serial: slot, epoch }), ...changes };
  return { key: `/instances/${value.id}`, value, modRevision, createRevision: modRevision };
}

const NOTHING: Pick<Admission, 'admitted' | 'highestEpoch'> = { admitted: new Map(), highestEpoch: 0 };

function admit(items: readonly Mirrored<Instance>[], revision: number, before = NOTHING): Admission {
  return admitInstances({ node: EXAMPLE_NODE, items, revision, before });
}

const revisionsOf = ({ admitted }: Admission) => [...admitted.values()].map(({ modRevision }) => modRevision);

test('instances of earlier leaders stay in force: they were written in their time', () => {
  const found = admit([item(1, 5, 6), item(2, 10, 12)], 12);
  assert.deepEqual([revisionsOf(found), found.highestEpoch, found.refused], [[6, 12], 10, []]);
});

test('a write by a leader that had been replaced is refused, and what was in force before stays', () => {
  const before = admit([item(1, 5, 6), item(2, 10, 12)], 12);
  const found = admit([item(1, 5, 14), item(2, 10, 12), item(3, 5, 15)], 15, before);
  assert.deepEqual(revisionsOf(found), [6, 12]);
  assert.equal(found.refused.length, 2);
  assert.match(found.refused[0] ?? '', /shop\.web\.1-1 at revision 14 was written by the leader of epoch 5, after that of epoch 10/);
});

test('the highest epoch counts when it was seen in another life or for another node', () => {
  assert.deepEqual(revisionsOf(admit([item(1, 5, 14)], 15, { ...NOTHING, highestEpoch: 10 })), []);
  const other = item(2, 10, 12, { node: 'elsewhere' as Instance['node'] });
  assert.deepEqual(revisionsOf(admit([item(1, 5, 14), other], 15)), []);
});

test('a store restored from an older copy begins its epochs anew', () => {
  const found = admit([item(1, 5, 14)], 20, { ...NOTHING, highestEpoch: 1_000 });
  assert.deepEqual([revisionsOf(found), found.highestEpoch], [[14], 5]);
});

test('an item that is no instance is refused before any name of it reaches a path', () => {
  const bad = [
    item(1, 1, 2, { id: '../../etc' as Instance['id'] }),
    item(2, 1, 3, { app: '..' as Instance['app'] }),
    { ...item(3, 1, 4), key: '/instances/other' },
  ];
  const found = admit(bad, 5);
  assert.deepEqual([revisionsOf(found), found.refused.length], [[], 3]);
});
