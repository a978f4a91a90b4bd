import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { openFilesLimit, roomFor } from './open-files.ts';

test('clients leave a quarter of the files a process may have open to the rest, at least 64 and at most 1024', () => {
  deepEqual([30, 100, 300, 1_024, 20_000, Number.POSITIVE_INFINITY].map(roomFor), [1, 36, 225, 768, 18_976, Number.POSITIVE_INFINITY]);
});

test('where the system does not tell how many files may be open, there is no limit', () => {
  equal(openFilesLimit('/nonexistent'), Number.POSITIVE_INFINITY);
});
