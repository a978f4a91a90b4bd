import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { DeployEvent } from '@haven/sdk';
import type { Name } from '#base/name';
import type { App, Release } from '#model/app';
import { exampleService } from '#model/example-service';
import { keyOf } from '#model/keys';
import type { AppSpec } from '#model/spec';
import { Simulation } from '#world/simulated/simulation';
import { ScriptedCluster } from '../scripted-cluster.ts';
import { type Behaviour, scriptedApp, writePool } from '../scripted-parts.ts';
import { deploy } from './app-changes.ts';
import { readState } from './cluster-state.ts';
import { followDeploy } from './follow.ts';
import { appView, attentionOf, nodeViews } from './views.ts';
import { whyView } from './why-view.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const SHOP = 'shop' as Name;
const WORDS_OF_REST = new Set(['healthy', 'running', 'ready', 'alive', 'as wanted', 'stopped', 'gone']);

function app(web: string, api: string, changes: Partial<AppSpec> = {}): AppSpec {
  const service = (name: string, version: string) => exampleService(name as Name, { count: 2, run: { kind: 'process', command: [name, version] } });
  return { ...scriptedApp(SHOP, [service('web', web), service('api', api)]), ...changes };
}

async function started(isBad: Behaviour = () => false): Promise<ScriptedCluster> {
  const cluster = new ScriptedCluster(new Simulation({ seed: 9, drain }));
  cluster.control('control-1');
  await writePool(cluster.view, 'worker' as Name, 3);
  for (const node of ['worker-1', 'worker-2', 'worker-3']) cluster.agent(node, isBad);
  cluster.gateway('gateway-1');
  await cluster.run(3_000);
  return cluster;
}

const parts = (cluster: ScriptedCluster) => ({ world: cluster.simulation.host('reader').world, store: cluster.store, view: cluster.view });
const deployed = (cluster: ScriptedCluster, spec: AppSpec) => deploy(cluster.store, SHOP, { spec, now: 0 as Release['createdAt'] });

/** The lines of a deploy's stream to its end. */
async function followed(cluster: ScriptedCluster, spec: AppSpec): Promise<DeployEvent[]> {
  const { release } = await deployed(cluster, spec);
  const events: DeployEvent[] = [];
  const reading = (async () => {
    for await (const event of await followDeploy(parts(cluster), { app: SHOP, release, signal: new AbortController().signal })) events.push(event);
  })();
  await cluster.run(90_000);
  await reading;
  return events;
}

async function resultOf(cluster: ScriptedCluster, spec: AppSpec): Promise<object> {
  const { kind: _kind, app: _app, cause: _cause, ...rest } = (await followed(cluster, spec)).at(-1) as DeployEvent & { kind: 'result'; cause?: unknown };
  return rest;
}

/** Everything there is to ask about is asked: what is not at rest has a reason that says more than that. */
async function checkReasons(cluster: ScriptedCluster): Promise<void> {
  const { store } = cluster;
  const state = await readState(parts(cluster));
  const objects = [
    ...state.pools.map(({ value }) => `pool/${value.name}`),
    ...state.nodes.map(({ value }) => `node/${value.name}`),
    ...state.gateways.map(({ value }) => `gateway/${value.name}`),
    ...state.apps.map(({ value }) => `app/${value.name}`),
    ...state.apps.flatMap((each) => appView(state, each).services.map(({ service }) => `service/shop/${service}`)),
    ...state.instances.map(({ value }) => `instance/${value.id}`),
  ];
  for (const object of objects) {
    const { state: word, reasons } = await whyView({ state, store }, object);
    const texts = reasons.map(({ message }) => message);
    ok(texts.length > 0 && texts.every((text) => text !== ''), `${object} is ${word}: ${texts.join('; ')}`);
    if (!WORDS_OF_REST.has(word))
      ok(
        texts.every((text) => !text.includes('Nothing is wrong') && !text.includes('what happened last')),
        `${object} is ${word}: ${texts.join('; ')}`,
      );
  }
}

test('a first deploy that failed runs nothing, and its result says so', async () => {
  const cluster = await started(({ service }) => service === 'web');
  const result = await resultOf(cluster, app('1', '1'));
  equal('runs' in result, false);
  deepEqual((result as { services: unknown }).services, [
    { service: 'api', phase: 'rolling' },
    { service: 'web', phase: 'failed' },
  ]);
  await checkReasons(cluster);
});

test('why says once why a release failed, and what would help', async () => {
  const cluster = await started();
  const spec = app('1', '1');
  const greedy = exampleService('web' as Name, { resources: { cpu: 500, memoryBytes: 1 } });
  await followed(cluster, { ...spec, services: { web: greedy } });
  const state = await readState(parts(cluster));
  const cause = 'web.1 finds no node: worker-1, worker-2, worker-3: needs 500 cores, has 4 cores in all';
  for (const [object, start] of [
    ['shop', 'Release 1 failed'],
    ['shop/web', 'Release 1 failed'],
  ] as const) {
    const { reasons } = await whyView({ state, store: cluster.store }, object);
    deepEqual(
      reasons.map(({ message, next }) => [message, next]),
      [[`${start}: ${cause}`, 'ask for less, or make nodes that have it: haven pool create']],
    );
  }
});

test('after a revert of one service the result says what each service runs', async () => {
  const cluster = await started(({ service, release }) => service === 'web' && release === 2);
  await followed(cluster, app('1', '1'));
  // Nothing of api changes, so it is of release 2 at once.
  deepEqual(await resultOf(cluster, app('2', '1')), {
    release: 2,
    outcome: 'reverted',
    services: [
      { service: 'api', phase: 'idle', runs: 2 },
      { service: 'web', phase: 'failed', runs: 1 },
    ],
  });
  const all = await resultOf(cluster, app('3', '3'));
  deepEqual(all, {
    release: 3,
    runs: 3,
    outcome: 'stable',
    services: [
      { service: 'api', phase: 'idle', runs: 3 },
      { service: 'web', phase: 'idle', runs: 3 },
    ],
  });
});

test('the stream of a deploy shows its release command as a phase of its own, and its failure as what it is', async () => {
  const cluster = await started(({ runsOnce, release }) => runsOnce !== undefined && release === 2);
  const releaseCommand = { command: ['migrate'] as const, timeoutMs: 60_000 };
  const phases = (events: readonly DeployEvent[]) => events.flatMap((event) => (event.kind === 'release-command' ? [event.state] : []));
  deepEqual(phases(await followed(cluster, app('1', '1', { releaseCommand }))), ['running', 'passed']);
  const events = await followed(cluster, app('2', '2', { releaseCommand }));
  deepEqual(phases(events), ['running', 'failed']);
  const result = events.at(-1);
  ok(result?.kind === 'result' && result.outcome === 'reverted' && result.runs === 1 && result.cause?.code === 'release-command');
  const state = await readState(parts(cluster));
  const shown = state.apps.map((each) => appView(state, each));
  deepEqual(
    attentionOf(state, { apps: shown, nodes: nodeViews(state) }).map((line) => line.slice(0, 27)),
    ['Release 2 of shop reverted:'],
  );
});

test('while a release command runs, every service says that it waits for it', async () => {
  const cluster = await started();
  await deployed(cluster, app('1', '1', { releaseCommand: { command: ['migrate'], timeoutMs: 60_000 } }));
  await cluster.run(1_500);
  const state = await readState(parts(cluster));
  const [view] = state.apps.map((each) => appView(state, each));
  deepEqual(
    view?.services.map(({ pending }) => pending),
    [['waits for the release command of release 1, which runs on worker-1'], ['waits for the release command of release 1, which runs on worker-1']],
  );
  await checkReasons(cluster);
});

test('after a first release command that failed, every service says that this is why there is nothing of it', async () => {
  const cluster = await started(({ runsOnce }) => runsOnce !== undefined);
  await followed(cluster, app('1', '1', { releaseCommand: { command: ['migrate'], timeoutMs: 60_000 } }));
  const state = await readState(parts(cluster));
  const [view] = state.apps.map((each) => appView(state, each));
  equal(view?.state, 'failed');
  deepEqual(view?.services[0]?.pending, ['nothing of release 1 was placed: the release command on worker-1: failed']);
  await checkReasons(cluster);
});

test('N8: just after a new leader began, a silent node is suspect and not lost', async () => {
  const cluster = await started();
  await followed(cluster, app('1', '1'));
  const condition = async () => nodeViews(await readState(parts(cluster))).find(({ name }) => name === 'worker-2')?.condition;
  cluster.end('control-1');
  cluster.end('worker-2');
  await cluster.run(20_000);
  equal(await condition(), 'lost');
  cluster.control('control-2');
  await cluster.run(1_000);
  equal(await condition(), 'suspect');
  await cluster.run(15_000);
  equal(await condition(), 'lost');
});

test('a gateway that is counted out is told of, with the reason', async () => {
  const cluster = await started();
  await followed(cluster, app('1', '1'));
  let isDeaf = false;
  cluster.gateway('gateway-2', () => isDeaf);
  await cluster.run(5_000);
  isDeaf = true;
  const current = await cluster.one<App>(keyOf.app(SHOP));
  await cluster.view.write([{ kind: 'put', key: keyOf.app(SHOP), value: JSON.stringify({ ...current, counts: { web: 1 } }) }]);
  await cluster.run(10_000);
  const state = await readState(parts(cluster));
  const reason = 'it did not acknowledge within 5s that web.2 gets no more requests';
  ok(attentionOf(state, { apps: [], nodes: [] }).includes(`Gateway gateway-2 is counted out: ${reason}`));
  const why = await whyView({ state, store: cluster.store }, 'gateway-2');
  deepEqual([why.object, why.state, why.reasons[0]?.message], ['gateway/gateway-2', 'fenced', `It is counted out and nothing waits for it: ${reason}`]);
});

test('a gateway that cannot serve HTTPS is told of, with the reason', async () => {
  const cluster = await started();
  await followed(cluster, app('1', '1'));
  const state = await readState(parts(cluster));
  const told = (httpsProblem?: string) => {
    const gateways = state.gateways.map((item) => ({ ...item, value: { ...item.value, ...(httpsProblem === undefined ? {} : { httpsProblem }) } }));
    return attentionOf({ ...state, gateways }, { apps: [], nodes: [] });
  };
  deepEqual(told(), []);
  deepEqual(told('another program listens there'), ['Gateway gateway-1 does not serve HTTPS as routes want it: another program listens there']);
});

test('whatever goes on, why says something about everything', async () => {
  const cluster = await started(({ service, release }) => service === 'web' && release === 2);
  await deployed(cluster, app('1', '1'));
  for (let step = 0; step < 20; step++) {
    await cluster.run(400);
    await checkReasons(cluster);
  }
  await cluster.run(30_000);
  await deployed(cluster, app('2', '2'));
  cluster.end('worker-3');
  for (let step = 0; step < 20; step++) {
    await cluster.run(2_000);
    await checkReasons(cluster);
  }
  await writePool(cluster.view, 'worker' as Name, 1);
  for (let step = 0; step < 20; step++) {
    await cluster.run(1_000);
    await checkReasons(cluster);
  }
});

test('why knows pools: what they wait for, node by node', async () => {
  const cluster = await started();
  const why = async () => {
    const { state, reasons } = await whyView({ state: await readState(parts(cluster)), store: cluster.store }, 'worker');
    return [state, ...reasons.map(({ message }) => message)];
  };
  deepEqual(await why(), ['ready', 'Nothing is wrong: it is ready']);
  await writePool(cluster.view, 'worker' as Name, 4);
  await cluster.run(1_000);
  deepEqual(await why(), ['degraded', 'worker-4 is down: Its agent has not joined yet']);
});
