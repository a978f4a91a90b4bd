import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { TextbookCase } from './textbook.ts';
import { differencesOf, policyOfTextbook, runTextbook } from './textbook.ts';
import type { OtherCase } from './textbook-others.ts';
import { differencesOfOther } from './textbook-others.ts';

const PATH = new URL('../../../shared/data/scheduling/textbook.json', import.meta.url);
const skip = existsSync(PATH) ? false : 'the folder with reference data is absent';

test('every case of the textbook file agrees in every number and bar', { skip }, () => {
  const file = JSON.parse(readFileSync(PATH, 'utf8')) as { single_cpu: readonly TextbookCase[]; other: readonly OtherCase[] };
  for (const one of file.single_cpu) assert.deepEqual(differencesOf(runTextbook(one.processes, policyOfTextbook(one)), one), [], one.id);
  for (const one of file.other) assert.deepEqual(differencesOfOther(one), [], one.id);
});

test('feedback with a quantum of one at every level sinks only under contention', () => {
  const processes = [
    { name: 'A', arrival: 0, burst: 3 },
    { name: 'B', arrival: 2, burst: 6 },
    { name: 'C', arrival: 4, burst: 4 },
    { name: 'D', arrival: 6, burst: 5 },
    { name: 'E', arrival: 8, burst: 2 },
  ];
  assert.deepEqual(runTextbook(processes, policyOfTextbook({ policy: 'fb', quantum: 1 })).finish, { A: 4, B: 20, C: 16, D: 19, E: 11 });
});

test('a difference is told with both values, and a bad process is INVALID', () => {
  const one = { id: 'x', policy: 'fcfs', processes: [{ name: 'A', arrival: 0, burst: 2 }], published: { avg_turnaround: 3 } };
  assert.deepEqual(differencesOf(runTextbook(one.processes, 'fifo'), one), ['published avg_turnaround: 3, but the lab gives 2']);
  for (const burst of [0, -1, Number.NaN]) assert.throws(() => runTextbook([{ name: 'A', arrival: 0, burst }], 'fifo'), { code: 'INVALID' });
});

test('Maglev in a textbook is the table of the paper, whole and without a backend, however its permutations are written', () => {
  const published = { table: ['B1', 'B0', 'B1', 'B0', 'B2', 'B2', 'B0'], table_without_B1: ['B0', 'B0', 'B0', 'B0', 'B2', 'B2', 'B2'] };
  const pairs = { B0: { offset: 3, skip: 4 }, B1: { offset: 0, skip: 2 }, B2: { offset: 3, skip: 1 } };
  const lists = { B0: [3, 0, 4, 1, 5, 2, 6], B1: [0, 2, 4, 6, 1, 3, 5], B2: [3, 4, 5, 6, 0, 1, 2] };
  assert.deepEqual(differencesOfOther({ id: 'm', kind: 'maglev', M: 7, backends: pairs, published }), []);
  assert.deepEqual(differencesOfOther({ id: 'm', kind: 'maglev', permutations: lists, published }), []);
  assert.deepEqual(differencesOfOther({ id: 'm', kind: 'maglev', M: 7, backends: { B0: [3, 4], B1: [0, 2], B2: [3, 1] }, published }), []);
  const wrong = { table: ['B0', 'B0', 'B1', 'B0', 'B2', 'B2', 'B0'] };
  assert.equal(differencesOfOther({ id: 'm', kind: 'maglev', M: 7, backends: pairs, published: wrong })?.length, 1);
});
