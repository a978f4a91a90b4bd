import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { METHODS, methodAt } from './method.ts';

test('each known method is told by its whole name, and everything else is other', () => {
  const read = (text: string) => METHODS[methodAt(Buffer.from(`xx${text} / HTTP/1.1`), 2)];
  for (const method of METHODS) deepEqual(read(method), method);
  deepEqual(
    ['get', 'GETS', 'GE', 'POSTER', 'PROPFIND', 'G', 'HEADER', 'PUTT'].map(read),
    Array.from({ length: 8 }, () => 'other'),
  );
});
