import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exp, ln, normalQuantile, power } from '#base/elementary';
import { BatchMeans } from './batch-means.ts';
import { Histogram } from './histogram.ts';
import { parseLaw } from './laws.ts';
import { RandomStream, StratifiedStream } from './random-stream.ts';

test('our own logarithm, exponential and power agree with the engine to twelve digits', () => {
  const random = new RandomStream(1, 'elementary');
  const isClose = (ours: number, theirs: number): boolean => Math.abs(ours - theirs) <= 1e-12 * Math.max(1e-3, Math.abs(theirs));
  for (let index = 0; index < 20_000; index += 1) {
    const value = Math.exp(60 * (random.next() - 0.5));
    assert.ok(isClose(ln(value), Math.log(value)), `ln ${value}`);
    const exponent = 200 * (random.next() - 0.5);
    assert.ok(isClose(exp(exponent), Math.exp(exponent)), `exp ${exponent}`);
    assert.ok(isClose(power(value, 1.5), value ** 1.5), `power ${value}`);
  }
  assert.ok(Math.abs(normalQuantile(0.975) - 1.959963984540054) < 1e-8);
  assert.ok(Math.abs(normalQuantile(0.001) + 3.090232306167813) < 1e-8);
});

test('every law has the first two moments it states', () => {
  const laws = ['exp?mean=2', 'det?mean=3', 'uniform?low=0&high=2', 'erlang?k=2&mean=1', 'h2?mean=1&scv=4', 'bpareto?low=1&high=50&alpha=1.5'];
  for (const text of [
    ...laws,
    'weibull?shape=0.8&mean=2',
    'lognormal?mean=1&scv=1',
    'empirical?values=1,2,6',
    'mmpp?rates=0.5,4&stays=3,1',
    'mmpp?mean=2&rates=0,1,9&stays=1,1,1',
  ]) {
    const law = parseLaw(text);
    const random = new RandomStream(7, text);
    let sum = 0;
    let squares = 0;
    const draws = 60_000;
    for (let index = 0; index < draws; index += 1) {
      const value = law.sample(random);
      sum += value;
      squares += value * value;
    }
    assert.ok(Math.abs(sum / draws / law.mean - 1) < 0.03, `${text}: mean ${sum / draws} against ${law.mean}`);
    assert.ok(Math.abs(squares / draws / law.secondMoment - 1) < 0.12, `${text}: second moment ${squares / draws} against ${law.secondMoment}`);
  }
});

test('a law that is unknown, has an unknown parameter or makes no sense is INVALID', () => {
  assert.throws(() => parseLaw('pareto?alpha=1'), { code: 'INVALID', message: /no law "pareto"; there are exp, det/ });
  assert.throws(() => parseLaw('exp?rate=1'), { code: 'INVALID', message: /no option "rate"; it knows mean/ });
  assert.throws(() => parseLaw('exp?mean=0'), { code: 'INVALID' });
  assert.throws(() => parseLaw('uniform?low=3&high=2'), { code: 'INVALID', message: /high must be above low/ });
});

test('streams of one seed repeat, and differ by name', () => {
  const draw = (seed: number, name: string): number => new RandomStream(seed, name).next();
  assert.equal(draw(5, 'sizes'), draw(5, 'sizes'));
  assert.notEqual(draw(5, 'sizes'), draw(5, 'arrivals'));
  assert.notEqual(draw(5, 'sizes'), draw(6, 'sizes'));
});

test('percentiles are nearest rank: exact for small values, within 0.2 % for large ones', () => {
  const small = new Histogram();
  for (let value = 1; value <= 100; value += 1) small.record(value);
  assert.deepEqual([small.quantile(0), small.quantile(0.5), small.quantile(0.95), small.quantile(0.951), small.quantile(1)], [1, 50, 95, 96, 100]);
  for (const value of [1_023, 1_024, 123_456_789, 2 ** 32 - 1, 2 ** 32, 987_654_321_012_345]) {
    const single = new Histogram();
    single.record(value);
    single.record(value * 4);
    assert.ok(Math.abs(single.quantile(0.5) / value - 1) < 0.002, `${value} gives ${single.quantile(0.5)}`);
  }
});

test('batch means give the mean, the variance and an interval that holds the true mean', () => {
  const random = new RandomStream(3, 'batches');
  const law = parseLaw('exp?mean=1');
  const batches = new BatchMeans(20_000);
  for (let index = 0; index < 20_000; index += 1) batches.record(law.sample(random));
  assert.ok(Math.abs(batches.mean - 1) < batches.halfWidth * 1.5 && batches.halfWidth < 0.03);
  assert.ok(Math.abs(batches.variance - 1) < 0.1);
});

test('stratified numbers fall once into each equal part, and give a heavy tail its mean', () => {
  const stream = new StratifiedStream(new RandomStream(1, 'strata'), 50);
  for (let round = 0; round < 3; round += 1) {
    const parts = Array.from({ length: 50 }, () => Math.floor(50 * stream.next()));
    assert.deepEqual(
      [...parts].sort((a, b) => a - b),
      Array.from({ length: 50 }, (_, index) => index),
    );
    assert.notDeepEqual(
      parts,
      Array.from({ length: 50 }, (_, index) => index),
    );
  }
  const law = parseLaw('bpareto?low=1&high=100000&alpha=1.1');
  const tail = new StratifiedStream(new RandomStream(2, 'strata'), 100_000);
  let sum = 0;
  for (let index = 0; index < 100_000; index += 1) sum += law.fromUniform?.(tail.next()) ?? Number.NaN;
  assert.ok(Math.abs(sum / 100_000 / law.mean - 1) < 0.02, `${sum / 100_000} against ${law.mean}`);
});

test('a law from one uniform number is the law', () => {
  for (const text of [
    'exp?mean=2',
    'uniform?low=1&high=2',
    'h2?mean=1&scv=4',
    'bpareto?low=1&high=50&alpha=1.5',
    'weibull?shape=0.8&mean=2',
    'lognormal?mean=1&scv=1',
  ]) {
    const law = parseLaw(text);
    const strata = 200_000;
    let sum = 0;
    let squares = 0;
    for (let stratum = 0; stratum < strata; stratum += 1) {
      const value = law.fromUniform?.((stratum + 0.5) / strata) ?? Number.NaN;
      sum += value;
      squares += value * value;
    }
    assert.ok(Math.abs(sum / strata / law.mean - 1) < 0.001, `${text}: mean ${sum / strata} against ${law.mean}`);
    assert.ok(Math.abs(squares / strata / law.secondMoment - 1) < 0.01, `${text}: second moment ${squares / strata} against ${law.secondMoment}`);
  }
});

test('a modulated Poisson process is burstier than a Poisson process of its rate, and says which lists do not fit', () => {
  const law = parseLaw('mmpp?mean=1&rates=1,20&stays=95,5');
  assert.ok(Math.abs(law.mean - 1) < 1e-12);
  const random = new RandomStream(3, 'mmpp');
  // Arrivals per 100 s: the variance of their number over its mean is 1 for a Poisson process.
  const counts: number[] = [];
  let at = law.sample(random);
  for (let window = 1; window <= 2_000; window += 1) {
    let count = 0;
    for (; at < window * 100; at += law.sample(random)) count += 1;
    counts.push(count);
  }
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length;
  assert.ok(Math.abs(mean / 100 - 1) < 0.1, `${mean} per 100 s`);
  assert.ok(variance / mean > 10, `dispersion ${variance / mean}`);
  assert.throws(() => parseLaw('mmpp?rates=1,2&stays=1'), { code: 'INVALID', message: /lists of the same length/ });
  assert.throws(() => parseLaw('mmpp?rates=0,0&stays=1,1'), { code: 'INVALID', message: /nothing would ever arrive/ });
});
