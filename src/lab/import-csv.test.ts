import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importCsv, parseColumnMap } from './import-csv.ts';

test('the Azure LLM trace is recognised; service follows from its tokens and time from its dates', () => {
  const { jobs, bad } = importCsv('TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n');
  assert.deepEqual(bad, []);
  assert.deepEqual(jobs, [
    { at: 0, size: 954_800 },
    { at: 4_314_579, size: 2_259_200 },
  ]);
});

test('any table can be mapped, in its own unit', () => {
  const columns = parseColumnMap('at=came,size=took,tenant=who,width=cpus,estimate=guess');
  const text = 'who,came,took,cpus,guess\n"a, b",1000,250,2,300\nc,1500,1,1,\n';
  assert.deepEqual(importCsv(text, { columns, unit: 'ms' }).jobs, [
    { at: 0, size: 250_000, width: 2, estimate: 300_000, tenant: 'a, b' },
    { at: 500_000, size: 1_000, width: 1, tenant: 'c' },
  ]);
});

test('rows with NaN, negative, empty or missing cells are left out with their line; unsorted rows are counted and sorted', () => {
  const read = importCsv('at,size\n10,1\n-3,1\n4,NaN\n4,0\n5\nx,1\n3,2\n', {});
  assert.deepEqual(
    read.bad.map((row) => row.line),
    [3, 4, 5, 6, 7],
  );
  assert.match(read.bad[1]?.reason ?? '', /size "NaN"/);
  assert.equal(read.unsorted, 1);
  assert.deepEqual(read.jobs, [
    { at: 0, size: 2_000_000 },
    { at: 7_000_000, size: 1_000_000 },
  ]);
});

test('unknown columns, a missing column, a bad map and an empty table are INVALID and say why', () => {
  assert.throws(() => importCsv('a,b\n1,2\n'), { code: 'INVALID', message: /among a, b: give --columns/ });
  assert.throws(() => importCsv('a,b\n1,2\n', { columns: { at: 'a', size: 'c' } }), { code: 'INVALID', message: /no column "c"; it has a, b/ });
  assert.throws(() => parseColumnMap('at=a,length=b'), { code: 'INVALID', message: /"length=b" is not field=column/ });
  assert.throws(() => parseColumnMap('at=a'), { code: 'INVALID', message: /at=… and size=…/ });
  assert.throws(() => importCsv('at,size\n'), { code: 'INVALID', message: /none of its 1 lines/ });
});
