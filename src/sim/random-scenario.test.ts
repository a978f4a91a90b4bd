import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { FAULTS } from './faults.ts';
import { draw, runRandomScenario } from './random-scenario.ts';

/** The last two broke a promise once: a fenced gateway that came back was judged as if it were waited for; empty slots were filled beyond count and surge. */
const seeds = [...Array.from({ length: 20 }, (_, index) => index + 1), 10_030, 10_281];

// One test for each, because the time limit of a test is one of the wall clock, which a busy machine stretches.
for (const seed of seeds) {
  test(`seed ${seed}: whatever users do and whatever fails, no promise is broken, and a healed cluster becomes as wanted`, async () => {
    await runRandomScenario(seed);
  });
}

test('the same seed gives the same trace, another seed another', async () => {
  const hashes = [];
  for (const seed of [5, 5, 6]) hashes.push((await runRandomScenario(seed)).cluster.simulation.traceHash());
  equal(hashes[0], hashes[1]);
  notEqual(hashes[0], hashes[2]);
});

test('every kind of fault and every shape of cluster is drawn by some of a hundred seeds, and some seeds draw no fault', () => {
  const drawn = Array.from({ length: 100 }, (_, seed) => draw(seed));
  deepEqual([...new Set(drawn.flatMap(({ faults }) => faults))].sort(), Object.keys(FAULTS).sort());
  ok(drawn.some(({ faults }) => faults.length === 0));
  deepEqual(new Set(drawn.map(({ options }) => options.controls)), new Set([0, 2]));
});
