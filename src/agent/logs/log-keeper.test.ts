import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes } from '#base/bytes';
import { Simulation } from '#world/simulated/simulation';
import type { World } from '#world/world';
import { AgentFolders } from '../folders.ts';
import { exampleInstance } from '../testing/example-instance.ts';
import { LineSplitter, MAX_LINE_BYTES } from './line-splitter.ts';
import { LogFile } from './log-file.ts';
import { LogKeeper } from './log-keeper.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const folders = new AgentFolders('/node');
const instance = exampleInstance();
const folder = folders.logsOf(instance);

function rig(limitBytes: number): { readonly simulation: Simulation; readonly world: World; readonly keeper: LogKeeper } {
  const simulation = new Simulation({ seed: 1, drain });
  const { world } = simulation.host('machine');
  return { simulation, world, keeper: new LogKeeper(world, { folders, limitBytes }) };
}

/** As a process does it, which appends. */
async function append(world: World, path: string, text: string): Promise<void> {
  await using file = await world.disk.open(path, 'create');
  await file.write((await file.stat()).sizeBytes, toBytes(text));
}

const numbered = (from: number, to: number): string => Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join('');

test('the tail goes back over rotation and attempts', async () => {
  const { simulation, world, keeper } = rig(1_000);
  await simulation.complete(
    (async () => {
      const first = await keeper.open(instance, 1);
      await append(world, first.path, numbered(0, 5));
      await keeper.close(first);
      const second = await keeper.open(instance, 2);
      await append(world, second.path, numbered(5, 200));
      await second.poll(1_000);
      await append(world, second.path, `${numbered(200, 203)}no end`);
      const lines = await keeper.tailLines({ folder }, 6);
      assert.deepEqual(
        lines.map(({ attempt, text }) => `${attempt} ${text}`),
        ['2 line 198', '2 line 199', '2 line 200', '2 line 201', '2 line 202', '2 no end'],
      );
      const all = await keeper.tailLines({ folder }, 10_000);
      assert.deepEqual([all[0]?.text, all[4]?.text, all.at(-1)?.text], ['line 0', 'line 4', 'no end']);
      assert.deepEqual(await keeper.lastLines(instance, { attempt: 1, count: 20 }), ['line 0', 'line 1', 'line 2', 'line 3', 'line 4']);
    })(),
  );
});

test('a follower sees every line once, across rotation and attempts, and those of the next agent too', async () => {
  const { simulation, world, keeper } = rig(2_000);
  const ending = new AbortController();
  const seen: string[] = [];
  const follow = (async () => {
    for await (const { text } of keeper.followLines({ folder }, { tail: 2, signal: ending.signal })) seen.push(text);
  })();
  const write = (async () => {
    const file = await keeper.open(instance, 1);
    await append(world, file.path, numbered(0, 10));
    await world.clock.sleep(1_000);
    for (let round = 0; round < 30; round++) {
      await append(world, file.path, numbered(10 + round * 20, 30 + round * 20));
      await file.poll(2_000);
      await world.clock.sleep(250);
    }
    await keeper.close(file);
    const next = await keeper.open(instance, 2);
    await append(world, next.path, 'the next attempt\n');
    await world.clock.sleep(1_000);
    ending.abort(new Error('enough'));
  })();
  await simulation.complete(Promise.all([follow, write]));
  const expected = [...numbered(0, 610).trim().split('\n'), 'the next attempt'];
  assert.deepEqual(seen, expected.slice(expected.indexOf(seen[0] ?? '')));
  assert.ok(seen.length >= 602, `${seen.length} lines were seen`);
});

test('rotation keeps the newest, counts what is lost, and the positions go on', async () => {
  const { simulation, world } = rig(1_000);
  await simulation.complete(
    (async () => {
      await world.disk.makeDirectory('/logs');
      const file = new LogFile(world.disk, { path: '/logs/a.log', serial: 1, attempt: 1 });
      await append(world, file.path, 'x'.repeat(5_000));
      await file.poll(1_000);
      assert.deepEqual([file.end, file.totalBytes, file.droppedBytes], [5_000, 875, 4_125]);
      await append(world, file.path, 'tail');
      await file.poll(1_000);
      const { from, bytes } = await file.read(0, 10_000);
      assert.deepEqual([from, bytes.length], [4_125, 875]);
      assert.equal(new TextDecoder().decode((await file.read(5_000, 100)).bytes), 'tail');
    })(),
  );
});

test('a slot keeps at most twice the limit and twenty attempts', async () => {
  const { simulation, world, keeper } = rig(1_000);
  await simulation.complete(
    (async () => {
      for (let attempt = 1; attempt <= 30; attempt++) {
        const file = await keeper.open(instance, attempt);
        await append(world, file.path, 'x'.repeat(attempt <= 10 ? 900 : 10));
        await keeper.close(file);
      }
      const names = await world.disk.list(folder);
      const sizes = await Promise.all(names.map(async (name) => (await world.disk.stat(`${folder}/${name}`))?.sizeBytes ?? 0));
      assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= 2_000);
      assert.ok(names.length <= 21);
      assert.ok(names.includes('1-30.log'));
    })(),
  );
});

test('without a live file nothing is polled; a quiet one is looked at once a second', async () => {
  const { simulation, world, keeper } = rig(1_000);
  const ending = new AbortController();
  const running = keeper.run(ending.signal);
  assert.equal(await simulation.run(), 'idle');
  const file = await simulation.complete(keeper.open(instance, 1));
  await simulation.complete(append(world, file.path, 'hello\n'));
  await simulation.run({ untilMs: simulation.nowMs + 10_000 });
  await simulation.complete(append(world, file.path, 'x'.repeat(1_500)));
  await simulation.run({ untilMs: simulation.nowMs + 1_100 });
  assert.ok(file.totalBytes <= 1_000, 'it was rotated within a second');
  ending.abort(new Error('enough'));
  await simulation.complete(running);
});

test('output that nobody writes to is swept after a day, that of present instances is not', async () => {
  const { simulation, world, keeper } = rig(1_000);
  const gone = exampleInstance({ slot: 2, serial: 2 });
  for (const one of [instance, gone]) {
    const file = await simulation.complete(keeper.open(one, 1));
    await simulation.complete(append(world, file.path, 'hello\n'));
    await simulation.complete(keeper.close(file));
  }
  await simulation.complete(keeper.sweep([instance]));
  assert.deepEqual(await simulation.complete(world.disk.list('/node/logs/shop')), ['web.1', 'web.2']);
  await simulation.run({ untilMs: simulation.nowMs + 25 * 3_600_000 });
  await simulation.complete(keeper.sweep([instance]));
  assert.deepEqual(await simulation.complete(world.disk.list('/node/logs/shop')), ['web.1']);
});

test('lines are cut at their limit, and bytes that are no text do no harm', () => {
  const splitter = new LineSplitter();
  assert.deepEqual(splitter.push(toBytes('one\r\ntw')), ['one']);
  assert.deepEqual(splitter.push(toBytes('o\n\n')), ['two', '']);
  assert.deepEqual(splitter.push(new Uint8Array([0xff, 10])), ['\ufffd']);
  const long = splitter.push(toBytes('x'.repeat(MAX_LINE_BYTES * 2 + 5)));
  assert.deepEqual(
    long.map((line) => line.length),
    [MAX_LINE_BYTES, MAX_LINE_BYTES],
  );
  assert.equal(splitter.flush(), 'xxxxx');
  assert.equal(splitter.flush(), undefined);
});
