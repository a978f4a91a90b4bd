import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import { DemoCluster } from '../demo/demo-cluster.ts';
import { pathsOf } from '../home.ts';
import { findSupervisor } from '../lifecycle.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const shop = join(import.meta.dirname, '../../../examples/shop');
const NODES = 2;
const SETTLE_MS = 3_000;

test('a supervisor that is killed takes nobody along, and the next one takes everything over', { timeout: 90_000 }, async () => {
  await using cluster = await startShop();
  const before = await ofCluster(cluster);
  assert.ok(before.size >= 1 + 3 + NODES + 5, `only ${before.size} processes`);
  const killed = await killSupervisor(cluster);
  await world.clock.sleep(500);
  const up = await cluster.haven('up');
  assert.equal(up.exitCode, 0, up.stderr);
  await world.clock.sleep(SETTLE_MS);
  const after = await ofCluster(cluster);
  const next = (await findSupervisor(world, cluster.home))?.identity.pid ?? 0;
  before.delete(killed);
  after.delete(next);
  assert.deepEqual(after, before);
  // They are kept: a part that ends is started again.
  const [gateway] = [...after].find(([, command]) => command.includes('gateway.main.ts')) ?? [];
  process.kill(gateway ?? 0, 'SIGKILL');
  const gateways = async () => [...(await ofCluster(cluster))].filter(([pid, command]) => pid !== gateway && command.includes('gateway.main.ts')).length;
  for (let round = 0; (await gateways()) === 0 && round < 300; round++) await world.clock.sleep(100);
  assert.equal(await gateways(), 1);
});

test('haven down after a killed supervisor leaves no process', { timeout: 90_000 }, async () => {
  await using cluster = await startShop();
  await killSupervisor(cluster);
  const down = await cluster.haven('down');
  assert.equal(down.exitCode, 0, down.stderr);
  assert.deepEqual([...(await ofCluster(cluster)).values()], []);
  assert.deepEqual(
    (await readdir(pathsOf(cluster.home).run)).filter((name) => name.endsWith('.json')),
    [],
  );
});

async function startShop(): Promise<DemoCluster> {
  const cluster = await DemoCluster.start(world, new AbortController().signal);
  await cluster.haven('pool', 'create', 'worker', '--nodes', String(NODES));
  const deployed = await cluster.haven('deploy', shop);
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  return cluster;
}

async function killSupervisor(cluster: DemoCluster): Promise<number> {
  const pid = (await findSupervisor(world, cluster.home))?.identity.pid;
  assert.ok(pid, 'the supervisor runs');
  process.kill(pid, 'SIGKILL');
  return pid;
}

/** Command by pid of every process of the cluster, Haven's own and the apps'. */
async function ofCluster(cluster: DemoCluster): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for (const name of (await readdir('/proc')).filter((text) => /^\d+$/.test(text))) {
    const [environment, command] = await Promise.all(['environ', 'cmdline'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')));
    const isOurs = environment?.includes(`=${cluster.home.directory}`) && environment.includes('HAVEN_TOKEN=');
    if (isOurs) found.set(Number(name), (command ?? '').replaceAll('\0', ' ').trim());
  }
  return found;
}
