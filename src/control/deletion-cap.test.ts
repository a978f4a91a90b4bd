import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceId } from '#model/instance';
import type { RolloutAction } from '#policy/rollout/action';
import { isOverDeletionCap } from './deletion-cap.ts';

const drains = (count: number, byUser: boolean): RolloutAction[] =>
  Array.from({ length: count }, (_, index) => ({ kind: 'drain', id: `a.b.${index}-1` as InstanceId, reason: '', byUser }));

test('more than half of five or more instances that no user asked to stop is over the cap', () => {
  equal(isOverDeletionCap([drains(3, false), drains(3, false)], 10), true);
  equal(isOverDeletionCap([drains(5, false)], 10), false);
  equal(isOverDeletionCap([drains(4, false)], 4), false);
  equal(isOverDeletionCap([drains(10, true)], 10), false);
});
