import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '#base/name';
import type { App, Release } from '#model/app';
import type { Event } from '#model/event';
import { exampleService } from '#model/example-service';
import type { Instance } from '#model/instance';
import { keyOf, PREFIX } from '#model/keys';
import type { AppSpec } from '#model/spec';
import { Simulation } from '#world/simulated/simulation';
import { deploy, remove, scale } from './api/app-changes.ts';
import { ScriptedCluster } from './scripted-cluster.ts';
import { type Behaviour, scriptedApp, writePool } from './scripted-parts.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const SHOP = 'shop' as Name;
const WEB = 'web' as Name;

const isCommand: Behaviour = ({ runsOnce }) => runsOnce !== undefined;

function spec(version: string, changes: Partial<AppSpec> = {}): AppSpec {
  const web = exampleService(WEB, { run: { kind: 'process', command: ['web', version] } });
  return { ...scriptedApp(SHOP, [web]), releaseCommand: { command: ['migrate', version], timeoutMs: 60_000 }, ...changes };
}

function started({ isBad = () => false, nodes = 2 }: { readonly isBad?: Behaviour; readonly nodes?: number } = {}): ScriptedCluster {
  const cluster = new ScriptedCluster(new Simulation({ seed: 5, drain }));
  cluster.control('control-1');
  void writePool(cluster.view, 'worker' as Name, nodes);
  for (let number = 1; number <= nodes; number++) cluster.agent(`worker-${number}`, isBad);
  cluster.gateway('gateway-1');
  return cluster;
}

async function deployed(cluster: ScriptedCluster, wanted: AppSpec, forMs: number): Promise<void> {
  await deploy(cluster.store, SHOP, { spec: wanted, now: 0 as Release['createdAt'] });
  await cluster.run(forMs);
}

const app = (cluster: ScriptedCluster) => cluster.one<App>(keyOf.app(SHOP));
const release = (cluster: ScriptedCluster, number: number) => cluster.one<Release>(keyOf.release(SHOP, number));
/** `web.1 r2 run`, without serials and nodes. */
const shape = async (cluster: ScriptedCluster) =>
  (await cluster.all<Instance>(PREFIX.instances)).map((each) => `${each.service}.${each.slot} r${each.release} ${each.intent.kind}`).sort();
const kinds = async (cluster: ScriptedCluster) => (await cluster.all<Event>(keyOf.eventsOf('app/shop'))).map((event) => event.kind);
/** How often each command was started: its instances, from all history. */
function counted(cluster: ScriptedCluster): Map<string, number> {
  const starts = new Map<string, number>();
  void (async () => {
    for await (const { events } of cluster.store.watch({ prefix: PREFIX.instances }, { signal: new AbortController().signal })) {
      for (const event of events) {
        if (event.kind !== 'put' || event.item.createRevision !== event.item.modRevision) continue;
        const instance = JSON.parse(event.item.value) as Instance;
        if (instance.runsOnce) starts.set(instance.id, (starts.get(instance.id) ?? 0) + 1);
      }
    }
  })();
  return starts;
}

test('R11: the release command runs before anything is placed, in the environment of the app, and then the deploy goes on', async () => {
  const cluster = started();
  const starts = counted(cluster);
  await cluster.run(2_000);
  await deployed(cluster, spec('1', { environment: { STAGE: 'test' }, secrets: ['TOKEN'] }), 3_000);
  deepEqual(await shape(cluster), ['release.1 r1 run']);
  const [command] = await cluster.all<Instance>(PREFIX.instances);
  deepEqual(
    [command?.spec.run.command, command?.environment['STAGE'], command?.secrets, command?.runsOnce],
    [['migrate', '1'], 'test', ['TOKEN'], { timeoutMs: 60_000 }],
  );
  equal((await release(cluster, 1))?.command?.kind, 'running');
  await cluster.run(20_000);
  deepEqual(await shape(cluster), ['web.1 r1 run', 'web.2 r1 run']);
  equal((await release(cluster, 1))?.outcome.kind, 'stable');
  deepEqual(await kinds(cluster), ['release-command-started', 'release-command-passed', 'release-stable']);
  deepEqual(await cluster.all(PREFIX.statuses).then((all) => all.length), 2);
  await deployed(cluster, spec('2'), 60_000);
  deepEqual(await shape(cluster), ['web.1 r2 run', 'web.2 r2 run']);
  deepEqual(
    [...starts],
    [
      ['shop.release.1-1', 1],
      ['shop.release.1-2', 1],
    ],
  );
});

test('R11: a release command that fails changes nothing: the release before goes on, with its cause on record', async () => {
  const cluster = started({ isBad: (instance) => isCommand(instance) && instance.release === 2 });
  await cluster.run(2_000);
  await deployed(cluster, spec('1'), 30_000);
  await scale(cluster.store, SHOP, { service: 'web', count: 3 });
  await cluster.run(20_000);
  const before = await cluster.instances();
  equal(before.length, 3);
  // The count of the config changes too, which drops what `scale` had set: that is not to happen either.
  const next = spec('2');
  const changed = { ...next, services: { web: { ...exampleService(WEB), count: 1 } } };
  await deployed(cluster, changed, 3_000);
  deepEqual(
    (await cluster.instances()).filter((line) => !line.includes('release')),
    before,
  );
  await cluster.run(30_000);
  deepEqual(await cluster.instances(), before);
  const failed = await release(cluster, 2);
  ok(failed?.outcome.kind === 'reverted');
  deepEqual([failed.outcome.to, failed.outcome.cause.code, failed.outcome.cause.output], [1, 'release-command', ['Error: boom']]);
  deepEqual([(await app(cluster))?.release, (await app(cluster))?.counts], [1, { web: 3 }]);
  equal((await release(cluster, 1))?.outcome.kind, 'stable');
});

test('R11: on a first deploy a failing release command leaves nothing, and the next deploy runs its own', async () => {
  const cluster = started({ isBad: (instance) => isCommand(instance) && instance.release === 1 });
  await cluster.run(2_000);
  await deployed(cluster, spec('1'), 20_000);
  deepEqual(await shape(cluster), []);
  equal((await release(cluster, 1))?.outcome.kind, 'failed');
  await deployed(cluster, spec('2'), 30_000);
  deepEqual(await shape(cluster), ['web.1 r2 run', 'web.2 r2 run']);
});

test('R11: a change of leader in the middle does not run it twice', async () => {
  const cluster = started();
  const starts = counted(cluster);
  await cluster.run(2_000);
  await deployed(cluster, spec('1'), 2_500);
  cluster.simulation.host('control-1').crash();
  cluster.control('control-2');
  await cluster.run(60_000);
  deepEqual(await shape(cluster), ['web.1 r1 run', 'web.2 r1 run']);
  deepEqual([...starts], [['shop.release.1-1', 1]]);
});

test('R11: a deploy that comes meanwhile ends the command of the one before, and its own comes after that', async () => {
  const cluster = started();
  await cluster.run(2_000);
  await deployed(cluster, spec('1'), 30_000);
  await deployed(cluster, spec('2'), 2_000);
  deepEqual(await shape(cluster), ['release.1 r2 run', 'web.1 r1 run', 'web.2 r1 run']);
  await deployed(cluster, spec('3'), 100);
  equal((await release(cluster, 3))?.command?.kind, 'waiting');
  deepEqual((await release(cluster, 3))?.before, { release: 1, counts: {} });
  await cluster.run(60_000);
  deepEqual(await shape(cluster), ['web.1 r3 run', 'web.2 r3 run']);
  equal((await release(cluster, 2))?.outcome.kind, 'superseded');
});

test('R11: a node that is lost meanwhile fails the deploy, because nobody knows how far the command came', async () => {
  const cluster = started();
  await cluster.run(2_000);
  await deployed(cluster, spec('1'), 1_500);
  const [command] = await cluster.all<Instance>(PREFIX.instances);
  cluster.end(command?.node ?? '');
  await cluster.run(30_000);
  const failed = await release(cluster, 1);
  ok(failed?.outcome.kind === 'failed' && failed.outcome.cause.message.endsWith('the node was lost meanwhile, and nobody knows how far it came'));
  await cluster.run(30_000);
  equal((await cluster.all<Instance>(PREFIX.instances)).filter(({ intent }) => intent.kind === 'run').length, 0);
});

test('R11: a command that no node can ever take fails the deploy at once, and rm ends one that runs', async () => {
  const cluster = started();
  await cluster.run(2_000);
  const huge = { ...spec('1'), services: { web: exampleService(WEB, { resources: { cpu: 99, memoryBytes: 1 } }) } };
  await deployed(cluster, huge, 2_000);
  const failed = await release(cluster, 1);
  ok(failed?.outcome.kind === 'failed' && failed.outcome.cause.code === 'not-placed');
  await deployed(cluster, spec('2'), 2_000);
  deepEqual(await shape(cluster), ['release.1 r2 run']);
  await remove(cluster.store, SHOP);
  await cluster.run(20_000);
  deepEqual(
    (await cluster.view.list('/')).items.map((item) => item.key).filter((key) => key.includes('shop')),
    [],
  );
});
