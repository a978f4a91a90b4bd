import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes, toText } from '#base/bytes';
import { readFile, readRecord, writeFileAtomic, writeRecord } from '../files.ts';
import { drain } from '../node/drain.ts';
import type { Disk } from '../world.ts';
import { Simulation } from './simulation.ts';

/** Runs `work` on a disk, cuts the power `afterMs` later, and reads with `look` in the next incarnation. */
async function cutDuring<Value>(seed: number, work: (disk: Disk) => Promise<void>, look: (disk: Disk) => Promise<Value>, afterMs = 1e6): Promise<Value> {
  const simulation = new Simulation({ seed, drain });
  const host = simulation.host('a');
  await simulation.complete(host.world.disk.makeDirectory('/data'));
  void work(host.world.disk);
  await simulation.run({ untilMs: simulation.nowMs + afterMs });
  host.restart();
  return await simulation.complete(look(host.world.disk));
}

const seeds = Array.from({ length: 60 }, (_, index) => index + 1);
const old = 'o'.repeat(3_000);
const young = 'y'.repeat(4_000);

async function write(disk: Disk, options: { readonly sync: boolean; readonly syncDirectory: boolean }): Promise<void> {
  await using file = await disk.open('/data/file', 'create');
  await file.write(0, toBytes(young));
  if (options.sync) await file.sync();
  if (options.syncDirectory) await disk.syncDirectory('/data');
}

async function text(disk: Disk): Promise<string | undefined> {
  const bytes = await readFile(disk, '/data/file');
  return bytes && toText(bytes);
}

test('a power cut takes a file whose folder was not synced, tears one that was not synced itself, and leaves one with both', async () => {
  const outcomes = { noDirectory: new Set<string>(), noSync: new Set<string>(), both: new Set<string>() };
  const kind = (found: string | undefined) => (found === undefined ? 'gone' : found === young ? 'whole' : 'torn');
  for (const seed of seeds) {
    outcomes.noDirectory.add(kind(await cutDuring(seed, (disk) => write(disk, { sync: true, syncDirectory: false }), text)));
    outcomes.noSync.add(kind(await cutDuring(seed, (disk) => write(disk, { sync: false, syncDirectory: true }), text)));
    outcomes.both.add(kind(await cutDuring(seed, (disk) => write(disk, { sync: true, syncDirectory: true }), text)));
  }
  assert.deepEqual(
    { noDirectory: [...outcomes.noDirectory].sort(), noSyncTears: outcomes.noSync.has('torn'), both: [...outcomes.both] },
    { noDirectory: ['gone', 'whole'], noSyncTears: true, both: ['whole'] },
  );
});

test('an atomic write is whole at every moment of a power cut, and there for ever once acknowledged', async () => {
  const versions = [undefined, old, young];
  const found = new Set<number>();
  for (const seed of seeds) {
    let acknowledged = 0;
    const work = async (disk: Disk) => {
      for (const version of [old, young]) {
        await writeFileAtomic(disk, '/data/file', toBytes(version));
        acknowledged++;
      }
    };
    const version = versions.indexOf(await cutDuring(seed, work, text, seed / 3));
    assert.ok(version >= acknowledged, `seed ${seed}: acknowledged ${acknowledged}, found ${version}`);
    found.add(version);
  }
  assert.deepEqual([...found].sort(), [0, 1, 2]);
});

test('an acknowledged record survives any power cut, or a later one does', async () => {
  for (const seed of seeds) {
    let acknowledged = 0;
    const work = async (disk: Disk) => {
      for (let i = 1; i < 20; i++) {
        await writeRecord(disk, '/data/record', { i });
        acknowledged = i;
      }
    };
    const read = await cutDuring(seed, work, (disk) => readRecord(disk, '/data/record'), seed * 2);
    const value = read === undefined ? 0 : (read.value as { readonly i: number }).i;
    assert.ok(value === acknowledged || value === acknowledged + 1, `seed ${seed}: acknowledged ${acknowledged}, found ${value}`);
  }
});

test('a full disk is a LIMIT, a failed sync is INTERNAL', async () => {
  const simulation = new Simulation({ seed: 1, drain, disk: { capacityBytes: 1_000 } });
  const { drive, world } = simulation.host('a');
  await assert.rejects(simulation.complete(writeFileAtomic(world.disk, '/file', toBytes(young))), { code: 'LIMIT' });
  assert.deepEqual(await simulation.complete(world.disk.list('/')), [], 'the half-written file is not left behind');
  drive.conditions = { ...drive.conditions, capacityBytes: 10_000, syncFailure: 1 };
  await assert.rejects(simulation.complete(writeFileAtomic(world.disk, '/file', toBytes(young))), { code: 'INTERNAL' });
});
