import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeQueuePolicy } from '#policy/queue/policies';
import { jainIndex } from './fairness.ts';
import type { ListedJob } from './job-source.ts';
import { ListSource } from './job-source.ts';
import { JobSimulation } from './simulator.ts';

const FAIR = ['stride?quantum=1ms', 'drr?quantum=1ms', 'fair-share?half-life=1s', 'lottery?quantum=1ms'] as const;

/** Service each tenant got up to `until`, all tenants having more work than that. */
function servedBy(policy: string, weights: Readonly<Record<string, number>>, until: number): Readonly<Record<string, number>> {
  const jobs: ListedJob[] = [];
  for (let index = 0; index < 4_000; index += 1) {
    for (const [tenant, weight] of Object.entries(weights)) jobs.push({ at: 0, size: 500 + ((index * 7_919) % 1_000), tenant, weight });
  }
  const served: Record<string, number> = {};
  const slice = (task: { readonly tenant: string }, from: number, to: number): void => {
    served[task.tenant] = (served[task.tenant] ?? 0) + to - from;
  };
  new JobSimulation({
    policy: makeQueuePolicy(policy),
    source: new ListSource(jobs),
    workers: 2,
    jobs: jobs.length,
    seed: 1,
    window: 'all',
    observer: { slice },
  }).simulate(until);
  return served;
}

test('weights of 3 to 1 are served 3 to 1 within 2 %, by lot within 10 %', () => {
  for (const policy of FAIR) {
    const served = servedBy(policy, { a: 3, b: 1 }, 1_000_000);
    const ratio = (served['a'] ?? 0) / (served['b'] ?? 1);
    assert.ok(Math.abs(ratio / 3 - 1) < (policy.startsWith('lottery') ? 0.1 : 0.02), `${policy}: ${ratio}`);
  }
});

test('equal tenants get equal service: Jain’s index is at least 0.99', () => {
  for (const policy of FAIR) {
    const index = jainIndex(Object.values(servedBy(policy, { a: 1, b: 1, c: 1, d: 1 }, 1_000_000)));
    assert.ok(index >= 0.99, `${policy}: ${index}`);
  }
});

test('a tenant with a job now and then hardly waits behind one with thousands in the queue', () => {
  const size = 1_000;
  const jobs: ListedJob[] = Array.from({ length: 5_000 }, () => ({ at: 0, size, tenant: 'flood' }));
  for (let index = 0; index < 100; index += 1) jobs.push({ at: 13 + index * 20_000, size, tenant: 'drops' });
  jobs.sort((a, b) => a.at - b.at);
  for (const policy of ['stride?quantum=1ms', 'drr?quantum=1ms', 'fair-share?half-life=1s']) {
    const waits: number[] = [];
    const finished = (task: { readonly tenant: string; readonly submitted: number; readonly size: number }, now: number): void => {
      if (task.tenant === 'drops') waits.push(now - task.submitted - task.size);
    };
    new JobSimulation({
      policy: makeQueuePolicy(policy),
      source: new ListSource(jobs),
      workers: 1,
      jobs: jobs.length,
      seed: 1,
      window: 'all',
      observer: { finished },
    }).simulate();
    assert.equal(waits.length, 100);
    assert.ok(Math.max(...waits) <= (2 + 1) * size, `${policy}: ${Math.max(...waits)}`);
  }
});

test('a fair share that does not preempt takes no worker away, however long it runs', () => {
  const jobs: ListedJob[] = Array.from({ length: 500 }, (_, index) => ({ at: index * 10, size: 900, tenant: `t${index % 7}` }));
  const simulation = new JobSimulation({
    policy: makeQueuePolicy('fair-share'),
    source: new ListSource(jobs),
    workers: 3,
    jobs: jobs.length,
    seed: 1,
    window: 'all',
  }).simulate();
  assert.deepEqual([simulation.meter.preemptions, simulation.statistics.finished], [0, 500]);
});
