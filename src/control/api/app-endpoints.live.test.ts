import { deepEqual, equal, ok } from 'node:assert/strict';
import { after, test } from 'node:test';
import type { AppView, DeployEvent, DeployView, ErrorBody, InstanceView, PlanView, ReleaseView } from '@haven/sdk';
import type { Name } from '#base/name';
import type { App, Release } from '#model/app';
import { type Instance, instanceIdOf } from '#model/instance';
import { keyOf } from '#model/keys';
import { nodeWorld } from '#world/node/node-world';
import { TestApi } from './test-api.ts';
import { instanceOf } from './test-instance.ts';
import { mintToken } from './tokens.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const served = await TestApi.start(world);
const { store, key, client } = served;
const put = (key: string, value: unknown) => served.put(key, value);
const config = { name: 'shop', web: { run: { process: 'node server.js' }, port: 3000, health: '/healthz' } };

after(() => served[Symbol.asyncDispose]());

async function appOf(name: string): Promise<App> {
  return JSON.parse((await store.get(keyOf.app(name as Name)))?.value ?? 'null') as App;
}

test('the same deploy twice is one release; another is the next; a stale revision is a CONFLICT (R9)', async () => {
  const first = await client.ask<DeployView>('/v1/apps/shop/deploy', { body: { config } });
  deepEqual([first.status, first.value.release, first.value.changed], [201, 1, true]);
  const again = await client.ask<DeployView>('/v1/apps/shop/deploy', { body: { config } });
  deepEqual([again.status, again.value.release, again.value.changed, again.value.revision], [200, 1, false, first.value.revision]);
  const other = { ...config, web: { ...config.web, count: 2 } };
  equal(await client.refusal('/v1/apps/shop/deploy', { body: { config: other, ifRevision: 1 } }), '409 CONFLICT');
  const plan = await client.ask<PlanView>('/v1/apps/shop/plan', { body: { config: other } });
  deepEqual([plan.value.change, plan.value.services[0]?.change, plan.value.revision], ['update', 'in-place', first.value.revision]);
  const second = await client.ask<DeployView>('/v1/apps/shop/deploy', { body: { config: other, ifRevision: plan.value.revision } });
  equal(second.value.release, 2);
  equal(await client.refusal('/v1/apps/shop/deploy', { body: { config, ifRevision: 0 } }), '409 CONFLICT');
  const { value: releases } = await client.ask<readonly ReleaseView[]>('/v1/apps/shop/releases');
  deepEqual(
    releases.map(({ number, current }) => [number, current]),
    [
      [2, true],
      [1, false],
    ],
  );
});

test('two deploys at the same moment both become releases, and the later one is wanted (R9)', async () => {
  const deploys = [1, 2, 3, 4].map((count) =>
    client.ask<DeployView>('/v1/apps/race/deploy', { body: { config: { ...config, name: 'race', web: { ...config.web, count } } } }),
  );
  const releases = (await Promise.all(deploys)).map(({ value }) => value.release);
  deepEqual([...releases].sort(), [1, 2, 3, 4]);
  equal((await appOf('race')).release, 4);
});

test('a config with mistakes is INVALID with each mistake and its place', async () => {
  const { status, value } = await client.ask<ErrorBody>('/v1/apps/shop/deploy', {
    body: { config: { ...config, web: { ...config.web, prot: 1, count: '2' } } },
  });
  equal(status, 400);
  const issues = value.error.details['issues'] as readonly { readonly path: readonly string[]; readonly nearest?: string }[];
  deepEqual(
    issues.map(({ path, nearest }) => [path.join('.'), nearest]),
    [
      ['web.count', undefined],
      ['web.prot', 'port'],
    ],
  );
  equal(await client.refusal('/v1/apps/other/deploy', { body: { config } }), '400 INVALID');
  equal(await client.refusal('/v1/apps/shop/deploy', { body: { config, environment: 'nowhere' } }), '400 INVALID');
  equal(await client.refusal('/v1/apps/shop/deploy', { body: { config: { ...config, secrets: ['UNSET'] } } }), '400 INVALID');
  equal(await client.refusal('/v1/apps/shop/deploy', { body: { config, artifact: `sha256-${'0'.repeat(64)}` } }), '404 NOT_FOUND');
});

test('scale wins over the config until a deploy changes the count there', async () => {
  const app = { ...config, name: 'scaled', web: { ...config.web, count: 2 } };
  await client.ask('/v1/apps/scaled/deploy', { body: { config: app } });
  equal(await client.refusal('/v1/apps/scaled/services/wbe/scale', { body: { count: 5 } }), '404 NOT_FOUND');
  await client.ask('/v1/apps/scaled/services/web/scale', { body: { count: 5 } });
  await client.ask('/v1/apps/scaled/deploy', { body: { config: { ...app, env: { A: '1' } } } });
  deepEqual((await appOf('scaled')).counts, { web: 5 });
  await client.ask('/v1/apps/scaled/deploy', { body: { config: { ...app, web: { ...app.web, count: 3 } } } });
  deepEqual((await appOf('scaled')).counts, {});
});

test('a rollback repeats the last stable release that differs, as a new one', async () => {
  const name = 'back' as Name;
  for (const count of [1, 2]) {
    await client.ask('/v1/apps/back/deploy', { body: { config: { ...config, name, web: { ...config.web, count } } } });
    const stored = JSON.parse((await store.get(keyOf.release(name, count)))?.value ?? '') as Release;
    await put(keyOf.release(name, count), { ...stored, outcome: { kind: 'stable', at: 1 } });
  }
  const { value } = await client.ask<DeployView>('/v1/apps/back/rollback', { body: {} });
  equal(value.release, 3);
  const made = JSON.parse((await store.get(keyOf.release(name, 3)))?.value ?? '') as Release;
  deepEqual([made.rollbackOf, made.spec.services['web']?.count], [1, 1]);
  equal(await client.refusal('/v1/apps/back/rollback', { body: { to: 9 } }), '404 NOT_FOUND');
});

test('removal is asked for once, and no deploy comes in between', async () => {
  await client.ask('/v1/apps/gone/deploy', { body: { config: { ...config, name: 'gone' } } });
  equal((await client.ask<{ changed: boolean }>('/v1/apps/gone', { method: 'DELETE' })).value.changed, true);
  equal((await client.ask<{ changed: boolean }>('/v1/apps/gone', { method: 'DELETE' })).value.changed, false);
  equal(await client.refusal('/v1/apps/gone/deploy', { body: { config: { ...config, name: 'gone' } } }), '409 CONFLICT');
  equal((await client.ask<AppView>('/v1/apps/gone')).value.state, 'removing');
});

test('a follower sees the deploy to its end, whatever the end is', async () => {
  await client.ask('/v1/apps/followed/deploy', { body: { config: { ...config, name: 'followed' } } });
  const name = 'followed' as Name;
  const cause = { code: 'exited', message: 'it ended with code 1', output: ['boom'] };
  const lines: DeployEvent[] = [];
  await put(keyOf.instance(instanceIdOf(name, 'web' as Name, 1, 1)), instanceOf('followed', 'worker-1'));
  for await (const line of client.stream<DeployEvent>('/v1/apps/followed/deploys/1/follow')) {
    lines.push(line);
    if (line.kind !== 'instance') continue;
    const release = JSON.parse((await store.get(keyOf.release(name, 1)))?.value ?? '') as Release;
    await put(keyOf.release(name, 1), { ...release, outcome: { kind: 'failed', at: 1, cause } });
  }
  deepEqual(lines.at(-1), { kind: 'result', app: 'followed', release: 1, outcome: 'failed', cause });
  ok(lines.some((line) => line.kind === 'instance' && line.instance.name === 'web.1' && line.instance.state === 'pending'));
  ok(lines.some((line) => line.kind === 'event' && line.event.kind === 'deployed'));
  equal(await client.refusal('/v1/apps/followed/deploys/7/follow'), '404 NOT_FOUND');
});

test('a restart asks for a new generation of a service or a slot; in place it raises the nonce of the instances that run', async () => {
  await client.ask('/v1/apps/again/deploy', { body: { config: { ...config, name: 'again' } } });
  equal(await client.refusal('/v1/apps/again/services/web/restart', { body: {} }), '404 NOT_FOUND');
  const instance = instanceOf('again', 'worker-1');
  await put(keyOf.instance(instance.id), instance);
  const generations: unknown[] = [];
  for (const body of [{}, { slot: 1 }, { slot: 1 }, { slot: 2 }, {}]) {
    const status = body.slot === 2 ? 404 : 200;
    equal((await client.ask('/v1/apps/again/services/web/restart', { body })).status, status);
    generations.push((await appOf('again')).restarts);
  }
  deepEqual(generations, [{ web: 1 }, { web: 1, 'web.1': 2 }, { web: 1, 'web.1': 3 }, { web: 1, 'web.1': 3 }, { web: 4 }]);
  await client.ask('/v1/apps/again/deploy', { body: { config: { ...config, name: 'again', env: { A: 'b' } } } });
  deepEqual((await appOf('again')).restarts, { web: 4 });
  await client.ask('/v1/apps/again/services/web/restart', { body: { slot: 1, inPlace: true } });
  equal((JSON.parse((await store.get(keyOf.instance(instance.id)))?.value ?? '') as Instance).restartNonce, 1);
  const { value } = await client.ask<readonly InstanceView[]>('/v1/instances?app=again');
  deepEqual(
    value.map(({ id, state }) => [id, state]),
    [['again.web.1-1', 'pending']],
  );
});

test('why names the object people mean, and never says nothing', async () => {
  await put(keyOf.node('worker-9' as Name), { name: 'worker-9', pool: 'worker', provider: 'local', index: 9, labels: {}, power: 'on' });
  const asked = ['again', 'again/web', 'again/web.1', 'again.web.1-1', 'worker-9', 'instance/again.web.1-1'];
  const answers = await Promise.all(asked.map((object) => client.ask<{ object: string; reasons: readonly unknown[] }>(`/v1/why?object=${object}`)));
  deepEqual(
    answers.map(({ value }) => value.object),
    ['app/again', 'service/again/web', 'instance/again.web.1-1', 'instance/again.web.1-1', 'node/worker-9', 'instance/again.web.1-1'],
  );
  ok(answers.every(({ value }) => value.reasons.length > 0));
  equal(await client.refusal('/v1/why?object=nobody-knows'), '404 NOT_FOUND');
});

test('logs and commands go to the agent of the instance and come back by line', async () => {
  await using agent = await world.network.serve({ host: '127.0.0.1', port: 0 }, async (request) => {
    equal(request.headers['authorization'], `Bearer ${mintToken(key, { kind: 'agent-api', name: 'worker-1' as Name })}`);
    const lines = request.path.startsWith('/v1/logs/')
      ? [{ instance: 'again.web.1-1', attempt: 2, text: `tail of ${request.path.split('?')[1]}` }]
      : [{ stream: 'output', text: 'v24' }, { exit: { code: 3 } }];
    const body = (async function* () {
      yield new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    })();
    return { status: 200, headers: {}, body };
  });
  const [silent] = await client.lines('/v1/apps/again/logs?tail=5');
  equal(silent?.kind, 'notice');
  await put(keyOf.agent('worker-1' as Name), { node: 'worker-1', address: agent.address });
  deepEqual(await client.lines('/v1/apps/again/logs?tail=5'), [
    { kind: 'line', instance: 'web.1', id: 'again.web.1-1', node: 'worker-1', attempt: 2, text: 'tail of tail=5' },
  ]);
  deepEqual(await client.lines('/v1/instances/again.web.1-1/exec', { body: { command: ['node', '--version'] } }), [
    { kind: 'output', text: 'v24' },
    { kind: 'exit', code: 3 },
  ]);
  equal(await client.refusal('/v1/instances/again.web.7-1/exec', { body: { command: ['x'] } }), '404 NOT_FOUND');
});
