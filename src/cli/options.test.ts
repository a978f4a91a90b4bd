import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { durationOption, listOption, wholeOption } from './options.ts';

test('a duration needs a unit, but for 0', () => {
  equal(durationOption({ timeout: '5m' }, 'timeout'), 300_000);
  equal(durationOption({ timeout: '0' }, 'timeout'), 0);
  equal(durationOption({}, 'timeout'), undefined);
  throws(() => durationOption({ timeout: '5' }, 'timeout'), { code: 'INVALID', message: /"5" for --timeout/ });
});

test('a number is whole and not below what is allowed, and the option is named as it is typed', () => {
  equal(wholeOption({ ifRevision: '0' }, 'ifRevision'), 0);
  throws(() => wholeOption({ ifRevision: '-1' }, 'ifRevision'), { code: 'INVALID', message: /--if-revision/ });
  throws(() => wholeOption({ nodes: '0' }, 'nodes', 1), { code: 'INVALID', message: /at least 1/ });
});

test('a repeatable option is a list', () => {
  deepEqual(listOption({ set: ['A=1', 'B=2'] }, 'set'), ['A=1', 'B=2']);
  deepEqual(listOption({}, 'set'), []);
});
