import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { Simulation } from '#world/simulated/simulation';
import { PortBook } from './port-book.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('concurrent takers get different ports, none that somebody listens on, and the last one is told', async () => {
  const simulation = new Simulation({ seed: 1, drain });
  const { world } = simulation.host('machine');
  const host = '127.0.0.1';
  await simulation.complete(world.network.serve({ host, port: 102 }, async () => assert.fail('nobody asks')));
  const ports = new PortBook(world, { host, first: 100, last: 104 });
  const takers = ['a', 'b', 'c', 'd', 'e'].map((owner) => ports.takeFree(owner, undefined));
  const outcomes = await simulation.complete(Promise.allSettled(takers));
  const taken = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
  assert.deepEqual(taken.sort(), [100, 101, 103, 104]);
  const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  assert.ok(refused.length === 1 && hasCode(refused[0], 'LOCKED') && /all from 100 to 104/.test(refused[0].message));
});

test('an owner keeps its port when it can, and a released one is free again', async () => {
  const simulation = new Simulation({ seed: 1, drain });
  const { world } = simulation.host('machine');
  const ports = new PortBook(world, { host: '127.0.0.1', first: 100, last: 101 });
  await simulation.complete(ports.takeFree('a', 101));
  assert.equal(await simulation.complete(ports.takeFree('a', 101)), 101);
  assert.equal(await simulation.complete(ports.takeFree('b', 101)), 100);
  await assert.rejects(simulation.complete(ports.takeFixed(101, 'c')), /a has it on this node/);
  ports.release('a');
  assert.equal(await simulation.complete(ports.takeFixed(101, 'c')), 101);
});
