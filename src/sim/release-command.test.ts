import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import type { App, Release } from '#model/app';
import type { InstanceStatus } from '#model/instance';
import { PREFIX } from '#model/keys';
import { appCommand } from './app-program.ts';
import { ClusterSimulation, CONTROL } from './cluster-simulation.ts';
import { exampleApp } from './example-app.ts';
import { deployed } from './user-change.ts';

const COMMAND_MS = 8_000;

/** The shop, with a release command that ends well or not. */
function shop(version: number, quality: 'ends' | 'crashes' = 'ends') {
  return { ...exampleApp({ version, count: 2 }), release: appCommand(quality, COMMAND_MS) };
}

const outcome = (cluster: ClusterSimulation, number: number) =>
  cluster.history.values<Release>(PREFIX.releases).find((release) => release.number === number)?.outcome.kind;
/** The command lines that run now, with how often. */
const commands = (cluster: ClusterSimulation) => cluster.processes().filter(({ id }) => id.startsWith('shop.release.')).length;

/** A cluster that runs release 1 of the shop. */
async function started(seed: number): Promise<ClusterSimulation> {
  const cluster = new ClusterSimulation({ seed, nodes: 3, requestEveryMs: 200 });
  await cluster.start();
  await cluster.operate(deployed(shop(1)));
  await cluster.until('release 1 is stable', () => outcome(cluster, 1) === 'stable');
  return cluster;
}

test('R11: the release command runs to its end on a real agent before anything changes, and a failing one changes nothing', async () => {
  const cluster = await started(1);
  const before = cluster.processes().map(({ id }) => id);
  await cluster.operate(deployed(shop(2, 'crashes')));
  await cluster.until('release 2 failed', () => outcome(cluster, 2) === 'reverted');
  await cluster.run(10_000);
  deepEqual(
    cluster.processes().map(({ id }) => id),
    before,
  );
  equal(cluster.history.values<App>(PREFIX.apps)[0]?.release, 1);
  deepEqual(cluster.requests.unanswered, []);
});

test('R11: control and the agent may crash while it runs: it is taken over and not run again', async () => {
  for (const seed of [2, 3, 4]) {
    const cluster = await started(seed);
    let most = 0;
    let attempts = 0;
    await cluster.operate(deployed(shop(2)));
    await cluster.until('the command runs', () => commands(cluster) === 1);
    const [command] = cluster.processes().filter(({ id }) => id.startsWith('shop.release.'));
    cluster.crashHost(CONTROL, 2_000);
    await cluster.run(500);
    cluster.kept(command?.host ?? '').kill();
    await cluster.until('release 2 ended', () => {
      most = Math.max(most, commands(cluster));
      const statuses = cluster.history.values<InstanceStatus>(PREFIX.statuses).filter(({ id }) => id.startsWith('shop.release.'));
      attempts = Math.max(attempts, ...statuses.map(({ attempt }) => attempt));
      return ['stable', 'reverted'].includes(outcome(cluster, 2) ?? '');
    });
    deepEqual([most, attempts], [1, 1]);
    // Whether the exit code was seen by anybody is up to who was away when.
    equal(cluster.history.values<App>(PREFIX.apps)[0]?.release, outcome(cluster, 2) === 'stable' ? 2 : 1);
  }
});
