import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '#base/errors';
import type { InstanceId, InstancePhase, InstanceStatus } from '#model/instance';
import { Simulation } from '#world/simulated/simulation';
import type { UnixMs } from '#world/world';
import { StatusWriter } from './status-writer.ts';
import { EXAMPLE_NODE } from './testing/example-instance.ts';
import { withLateFirstWrite } from './testing/late-write.ts';
import { TestCluster } from './testing/test-cluster.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const id = 'shop.web.1-1' as InstanceId;

function status(phase: InstancePhase): InstanceStatus {
  return { id, node: EXAMPLE_NODE, phase, since: 0 as UnixMs, attempt: 1, restarts: 0, reason: '' };
}

test('a status that was given up and arrives late does not follow a newer one (W1)', async () => {
  const simulation = new Simulation({ seed: 5, drain });
  const { world } = simulation.host('node');
  const cluster = new TestCluster();
  const view = cluster.view(world);
  const late: (() => void)[] = [];
  const slow = withLateFirstWrite(view, late);
  const writer = new StatusWriter(world, slow);
  void writer.run(new AbortController().signal);
  writer.put(status('stopping'));
  await simulation.run({ until: () => late.length > 0 });
  writer.put(status('stopped'));
  await simulation.run({ untilMs: 5_000 });
  for (const arrive of late) arrive();
  await simulation.run({ untilMs: 6_000 });
  assert.equal(cluster.status(id)?.phase, 'stopped');
});

test('a writer that does not know what is there, or is mistaken, asks and then writes', async () => {
  const simulation = new Simulation({ seed: 6, drain });
  const { world } = simulation.host('node');
  const cluster = new TestCluster();
  for (const phase of ['running', 'stopping', 'stopped'] as const) {
    const writer = new StatusWriter(world, cluster.view(world));
    const ending = new AbortController();
    void writer.run(ending.signal);
    writer.put(status(phase));
    await simulation.run({ untilMs: simulation.nowMs + 1_000 });
    assert.equal(cluster.status(id)?.phase, phase);
    if (phase === 'stopping') cluster.forget(id);
    writer.put({ ...status(phase), reason: 'again' });
    await simulation.run({ untilMs: simulation.nowMs + 1_000 });
    assert.equal(cluster.status(id)?.reason, 'again');
    writer.delete(id);
    await simulation.run({ untilMs: simulation.nowMs + 1_000 });
    assert.equal(cluster.status(id), undefined);
    writer.put(status('failed'));
    await simulation.run({ untilMs: simulation.nowMs + 1_000 });
    ending.abort(new PlatformError('ABORTED', 'enough'));
  }
});
