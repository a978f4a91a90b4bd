import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes, toText } from '#base/bytes';
import { readFile, readRecord, removeRecord, writeFileAtomic, writeRecord } from './files.ts';
import { drain } from './node/drain.ts';
import type { SimulatedHost } from './simulated/simulated-host.ts';
import { Simulation } from './simulated/simulation.ts';
import type { Disk } from './world.ts';

async function onDisk(body: (disk: Disk, host: SimulatedHost) => Promise<void>): Promise<void> {
  const simulation = new Simulation({ seed: 1, drain });
  const host = simulation.host('a');
  await simulation.complete(body(host.world.disk, host));
}

test('an atomic write replaces a longer file whole and leaves no other file', () =>
  onDisk(async (disk) => {
    await writeFileAtomic(disk, '/file', toBytes('a long text'));
    await writeFileAtomic(disk, '/file', toBytes('short'));
    assert.equal(toText((await readFile(disk, '/file')) ?? new Uint8Array()), 'short');
    assert.deepEqual(await disk.list('/'), ['file']);
    assert.equal(await readFile(disk, '/none'), undefined);
    await assert.rejects(readFile(disk, '/file', { maxBytes: 4 }), { code: 'TOO_LARGE' });
  }));

test('a record reads back as it was written, the last one wins', () =>
  onDisk(async (disk) => {
    assert.equal(await readRecord(disk, '/record'), undefined);
    for (const value of [{ a: 1 }, ['ü', null], 'text']) {
      await writeRecord(disk, '/record', value);
      assert.deepEqual(await readRecord(disk, '/record'), { value });
    }
  }));

test('whichever bit of a record flips, the one before is read and it is said why', () =>
  onDisk(async (disk, host) => {
    await writeRecord(disk, '/record', { generation: 1 });
    await writeRecord(disk, '/record', { generation: 2 });
    const bits = ((await readFile(disk, '/record')) ?? new Uint8Array()).length * 8;
    for (let bit = 0; bit < bits; bit++) {
      host.drive.flipBit('/record', bit);
      const read = await readRecord(disk, '/record');
      assert.deepEqual(read?.value, { generation: 1 }, `bit ${bit}`);
      assert.match(read?.fellBackBecause ?? '', /damaged/);
      host.drive.flipBit('/record', bit);
    }
    assert.deepEqual(await readRecord(disk, '/record'), { value: { generation: 2 } });
  }));

test('a damaged record never takes the place of the good one before it (B3)', () =>
  onDisk(async (disk, host) => {
    await writeRecord(disk, '/record', 1);
    await writeRecord(disk, '/record', 2);
    host.drive.flipBit('/record', 300);
    await writeRecord(disk, '/record', 3);
    host.drive.flipBit('/record', 300);
    assert.equal((await readRecord(disk, '/record'))?.value, 1);
  }));

test('with both copies damaged the error is CORRUPT, names the file and says what to do', () =>
  onDisk(async (disk, host) => {
    await writeRecord(disk, '/record', 1);
    await writeRecord(disk, '/record', 2);
    for (const path of ['/record', '/record.previous']) host.drive.flipBit(path, 3);
    await assert.rejects(readRecord(disk, '/record'), { code: 'CORRUPT', message: /"\/record".*Restore the file from a backup/ });
  }));

test('a removed record does not come back from its previous copy', () =>
  onDisk(async (disk) => {
    await writeRecord(disk, '/record', 1);
    await writeRecord(disk, '/record', 2);
    await removeRecord(disk, '/record');
    assert.equal(await readRecord(disk, '/record'), undefined);
  }));
