import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classesOfText } from './class-option.ts';

test('classes have arrivals, sizes and what policies share by; the first is the most urgent', () => {
  assert.deepEqual(classesOfText('poisson?rate=0.5 exp?mean=1 weight=4; det?mean=2 erlang?k=2&mean=1 name=batch priority=9'), [
    { tenant: 'class1', weight: 4, priority: 0, gaps: 'exp?mean=2.0000000000000000', sizes: 'exp?mean=1' },
    { tenant: 'batch', weight: 1, priority: 9, gaps: 'det?mean=2', sizes: 'erlang?k=2&mean=1' },
  ]);
});

test('a class without sizes, with an unknown field or a weight of nothing is INVALID and named', () => {
  for (const text of ['poisson?rate=0.5', 'poisson?rate=0.5 exp?mean=1 colour=red', 'poisson?rate=0.5 exp?mean=1 weight=0', ';']) {
    assert.throws(() => classesOfText(text), { code: 'INVALID', message: /Cannot use (class "|--classes)/ });
  }
  assert.throws(() => classesOfText('poisson?rate=0.5 pareto?mean=1'), { code: 'INVALID', message: /no law "pareto"/ });
});
