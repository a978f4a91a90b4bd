import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes, toText } from '#base/bytes';
import { readFile, writeFileAtomic } from '../files.ts';
import { waitForLock } from '../wait-for-lock.ts';
import type { RunningProcess } from '../world.ts';
import type { Bench, WorldUnderTest } from './world-under-test.ts';

const patienceMs = 20_000;
const pollMs = 20;

/** The claims of `Disk.lock`, and of those who wait for one. */
export function lockConformance({ name, run, programs }: WorldUnderTest): void {
  test(`lock (${name}): one holder has it at a time, and the next when it is given back, once or twice`, () =>
    run(async ({ world: { disk }, directory }) => {
      const path = `${directory}/lock`;
      const first = await disk.lock(path);
      assert.equal(await disk.lock(path), undefined);
      assert.ok(await disk.lock(`${directory}/another`));
      first?.[Symbol.dispose]();
      const second = await disk.lock(path);
      assert.ok(second);
      first?.[Symbol.dispose]();
      assert.equal(await disk.lock(path), undefined);
      assert.equal((await disk.stat(path))?.sizeBytes, 0);
    }));

  test(`lock (${name}): a missing folder is NOT_FOUND; a folder, or a file that holds something, is INVALID`, () =>
    run(async ({ world: { disk }, directory }) => {
      await writeFileAtomic(disk, `${directory}/full`, toBytes('something'));
      await assert.rejects(disk.lock(`${directory}/none/lock`), { code: 'NOT_FOUND' });
      await assert.rejects(disk.lock(directory), { code: 'INVALID' });
      await assert.rejects(disk.lock(`${directory}/full`), { code: 'INVALID' });
    }));

  test(`lock (${name}): who waits gets it when it is given back, or nothing when the time is up, or the reason to stop`, () =>
    run(async ({ world, directory }) => {
      const path = `${directory}/lock`;
      const held = await world.disk.lock(path);
      assert.equal(await waitForLock(world, path, { withinMs: 100 }), undefined);
      const giveUp = new AbortController();
      const waiting = waitForLock(world, path, { withinMs: patienceMs, signal: giveUp.signal });
      giveUp.abort(new Error('stop'));
      await assert.rejects(waiting, { message: 'stop' });
      const next = waitForLock(world, path, { withinMs: patienceMs });
      held?.[Symbol.dispose]();
      assert.ok(await next);
    }));

  test(`lock (${name}): another process has it until it ends, however that comes about`, () =>
    run(async (bench) => {
      const path = `${bench.directory}/lock`;
      const holder = await startHolder(bench, path);
      assert.equal(await bench.world.disk.lock(path), undefined);
      await holder.signal('SIGKILL');
      await holder.exited;
      assert.ok(await waitForLock(bench.world, path, { withinMs: patienceMs }));
    }));

  test(`lock (${name}): who asks in vain for what its own process holds does not open it to others`, () =>
    run(async ({ world: { disk, processes }, directory }) => {
      const path = `${directory}/lock`;
      using _held = await disk.lock(path);
      assert.equal(await disk.lock(path), undefined);
      const other = await processes.spawn(programs.holdLock(path));
      assert.equal((await other.exited).code, 1);
    }));

  async function startHolder({ world: { processes, disk, clock }, directory }: Bench, path: string): Promise<RunningProcess> {
    const outputPath = `${directory}/output`;
    const holder = await processes.spawn({ ...programs.holdLock(path), outputPath });
    const deadline = clock.now() + patienceMs;
    while (!toText((await readFile(disk, outputPath)) ?? new Uint8Array()).includes('held')) {
      assert.ok(clock.now() < deadline, 'the other process does not get the lock');
      await clock.sleep(pollMs);
    }
    return holder;
  }
}
