import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes, toText } from '#base/bytes';
import { hasCode } from '#base/errors';
import { drain } from '../node/drain.ts';
import type { World } from '../world.ts';
import { Simulation } from './simulation.ts';

const port = 80;

/** A server that counts, and a client that asks it twenty times over a bad network while the server's host crashes. */
async function troubledRun(seed: number): Promise<Simulation> {
  const simulation = new Simulation({ seed, drain, maxDrift: 0.01, maxWallSkewMs: 3_600_000, network: { loss: 0.05, slowShare: 0.01 } });
  simulation.program('server', serve);
  simulation.program('client', async ({ world }) => {
    for (let i = 0; i < 20; i++) {
      const outcome = await ask(world, 'a', 100);
      world.log.write('info', 'outcome', { i, outcome, now: world.clock.now(), luck: world.random.integer(100) });
      await world.clock.sleep(10);
    }
  });
  simulation.host('a').boot('server');
  simulation.host('b').boot('client');
  simulation.after(150, () => simulation.host('a').crash());
  simulation.after(400, () => simulation.host('a').restart());
  await simulation.run({ untilMs: 300_000 });
  return simulation;
}

async function serve({ world, signal }: { readonly world: World; readonly signal: AbortSignal }): Promise<void> {
  let count = 0;
  await using _server = await world.network.serve({ host: '0.0.0.0', port }, async () => {
    count++;
    return { status: 200, headers: { count: String(count) }, body: (async function* () {})() };
  });
  await world.clock.sleep(1e9, signal);
}

/** The count the server gave, or the code of the failure. */
async function ask(world: World, host: string, timeoutMs: number): Promise<string> {
  try {
    const response = await world.network.request({ host, port }, { method: 'GET', path: '/' }, { timeoutMs });
    for await (const _ of response.body);
    return response.headers.count ?? '?';
  } catch (error) {
    for (const code of ['TIMEOUT', 'UNAVAILABLE'] as const) if (hasCode(error, code)) return code;
    throw error;
  }
}

function serverAndClient(): { readonly simulation: Simulation; readonly client: World } {
  const simulation = new Simulation({ seed: 7, drain });
  simulation.program('server', serve);
  simulation.host('a').boot('server');
  return { simulation, client: simulation.host('b').world };
}

test('the same seed gives the same trace, line by line; another seed another', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const [first, second, other] = [await troubledRun(seed), await troubledRun(seed), await troubledRun(seed + 100)];
    assert.deepEqual(first.trace, second.trace, `seed ${seed}`);
    assert.equal(first.traceHash(), second.traceHash(), `seed ${seed}`);
    assert.notEqual(first.traceHash(), other.traceHash(), `seed ${seed}`);
  }
});

test('promises and timers of a crashed incarnation never settle, and its ports are free for the next', async () => {
  const simulation = new Simulation({ seed: 1, drain });
  const host = simulation.host('a');
  const seen: string[] = [];
  const old = host.world;
  old.clock.sleep(10).then(
    () => seen.push('slept'),
    () => seen.push('rejected'),
  );
  old.clock.after(10, () => seen.push('called'));
  old.disk.makeDirectory('/x').then(
    () => seen.push('made'),
    () => seen.push('failed'),
  );
  await simulation.complete(old.network.serve({ host: '0.0.0.0', port }, async () => assert.fail('a dead server answered')));
  const before = seen.length;
  host.crash();
  host.restart();
  assert.equal(host.incarnation, 2);
  await simulation.run({ untilMs: 1_000 });
  assert.equal(seen.length, before);
  await simulation.complete(host.world.network.serve({ host: '0.0.0.0', port }, async () => assert.fail('nobody asks')));
});

test('a paused host answers nothing and then everything, in order', async () => {
  const { simulation, client } = serverAndClient();
  assert.equal(await simulation.complete(client.clock.sleep(10).then(() => ask(client, 'a', 1_000))), '1');
  const host = simulation.host('a');
  const ticks: number[] = [];
  for (const delayMs of [10, 20, 30]) host.world.clock.after(delayMs, () => ticks.push(delayMs));
  host.pause();
  assert.equal(await simulation.complete(ask(client, 'a', 200)), 'TIMEOUT');
  assert.deepEqual(ticks, []);
  host.resume();
  await simulation.complete(client.clock.sleep(10));
  assert.equal(await simulation.complete(ask(client, 'a', 200)), '3', 'the question of before was answered too, for nobody');
  assert.deepEqual(ticks, [10, 20, 30]);
});

test('a cut in one direction loses the answer and not the question', async () => {
  const { simulation, client } = serverAndClient();
  await simulation.run({ untilMs: 10 });
  simulation.cut('a', 'b');
  assert.equal(await simulation.complete(ask(client, 'a', 100)), 'TIMEOUT');
  simulation.healAll();
  assert.equal(await simulation.complete(ask(client, 'a', 100)), '2');
  simulation.partition(['a'], ['b']);
  assert.equal(await simulation.complete(ask(client, 'a', 100)), 'TIMEOUT');
  simulation.healAll();
  await simulation.complete(client.clock.sleep(10));
  assert.equal(await simulation.complete(ask(client, 'a', 100)), '4', 'the held question was answered too, for nobody');
});

test('a server that is killed resets its connections; one whose host lost power is silent', async () => {
  const { simulation, client } = serverAndClient();
  simulation.program('mute', async ({ world }) => {
    await world.network.serve({ host: '0.0.0.0', port: 81 }, () => new Promise(() => undefined));
    await world.clock.sleep(1e9);
  });
  const host = simulation.host('a');
  const request = (): Promise<unknown> => client.network.request({ host: 'a', port: 81 }, { method: 'GET', path: '/' }, { timeoutMs: 500 });
  const mute = await simulation.complete(host.world.processes.spawn({ command: 'mute', args: [], workingDirectory: '/', environment: {} }));
  await simulation.run({ untilMs: 20 });
  simulation.after(50, () => void mute.signal('SIGKILL'));
  await assert.rejects(simulation.complete(request()), { code: 'UNAVAILABLE' });
  host.boot('mute');
  await simulation.run({ untilMs: 200 });
  simulation.after(50, () => host.crash());
  await assert.rejects(simulation.complete(request()), { code: 'TIMEOUT' });
});

test('clocks drift by their rate and wall clocks are skewed', async () => {
  const simulation = new Simulation({ seed: 1, drain });
  const fast = simulation.host('fast', { clockRate: 1.01, wallSkewMs: 3_600_000 }).world;
  const exact = simulation.host('exact', { clockRate: 1 }).world;
  await simulation.complete(fast.clock.sleep(10_100));
  assert.equal(Math.round(simulation.nowMs), 10_000);
  assert.equal(Math.round(fast.clock.now()), 10_100);
  assert.equal(Math.round(exact.clock.now()), 10_000);
  assert.equal(fast.clock.wall() - exact.clock.wall(), 3_600_100);
});

test('a pid that is used again is not adopted', async () => {
  const simulation = new Simulation({ seed: 1, drain });
  const host = simulation.host('a');
  simulation.program('wait', async ({ world, signal }) => await world.clock.sleep(1e6, signal));
  const spec = { command: 'wait', args: [], workingDirectory: '/', environment: {} };
  const { processes } = host.world;
  const first = await simulation.complete(processes.spawn(spec));
  await simulation.complete(first.signal('SIGKILL'));
  host.setNextPid(first.identity.pid);
  const second = await simulation.complete(processes.spawn(spec));
  assert.equal(second.identity.pid, first.identity.pid);
  assert.equal(await simulation.complete(processes.adopt(first.identity)), undefined);
  assert.equal(await simulation.complete(first.signal('SIGKILL')), false);
  assert.equal(await simulation.complete(second.hasMembers()), true);
});

test('messages are copies: what one side changes later the other does not see', async () => {
  const simulation = new Simulation({ seed: 1, drain });
  const server = simulation.host('a').world;
  const client = simulation.host('b').world;
  const question = toBytes('before');
  let heard = '';
  await simulation.complete(
    server.network.serve({ host: '0.0.0.0', port }, async (request) => {
      for await (const part of request.body) heard += toText(part);
      return { status: 200, headers: {}, body: (async function* () {})() };
    }),
  );
  const answer = client.network.request({ host: 'a', port }, { method: 'POST', path: '/', body: question }, { timeoutMs: 1_000 });
  await drain();
  question.fill(0);
  await simulation.complete(answer);
  assert.equal(heard, 'before');
});

test('a timer of a drifting clock never fires early, not even by a rounding error', async () => {
  const simulation = new Simulation({ seed: 11, drain });
  const { clock } = simulation.host('a', { clockRate: 0.9937 }).world;
  const early: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    const dueAt = clock.now() + simulation.random.between(0, 20_000);
    clock.after(dueAt - clock.now(), () => {
      if (clock.now() < dueAt) early.push(dueAt - clock.now());
    });
    if (i % 10 === 0) await simulation.run({ untilMs: simulation.nowMs + simulation.random.between(0, 100) });
  }
  await simulation.run();
  assert.deepEqual(early, []);
});
