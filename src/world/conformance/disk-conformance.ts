import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes, toText } from '#base/bytes';
import { readFile, writeFileAtomic } from '../files.ts';
import type { WorldUnderTest } from './world-under-test.ts';

/** The claims of the port `Disk`, but for what a power cut does: only a simulated one can be cut. */
export function diskConformance({ name, run }: WorldUnderTest): void {
  test(`disk (${name}): what is written is read back, at any offset, and a read ends at the end`, () =>
    run(async ({ world: { disk }, directory }) => {
      await using file = await disk.open(`${directory}/a`, 'create');
      await file.write(0, toBytes('hello'));
      await file.write(8, toBytes('world'));
      await file.sync();
      assert.equal(toText(await file.read(0, 100)), 'hello\0\0\0world');
      assert.equal(toText(await file.read(8, 3)), 'wor');
      assert.equal((await file.read(50, 3)).length, 0);
      await file.truncate(4);
      assert.equal(toText(await file.read(0, 100)), 'hell');
      const { kind, sizeBytes } = await file.stat();
      assert.deepEqual({ kind, sizeBytes }, { kind: 'file', sizeBytes: 4 });
    }));

  test(`disk (${name}): create keeps what is there; write and read want a file`, () =>
    run(async ({ world: { disk }, directory }) => {
      await writeFileAtomic(disk, `${directory}/a`, toBytes('kept'));
      {
        await using file = await disk.open(`${directory}/a`, 'create');
        assert.equal(toText(await file.read(0, 10)), 'kept');
      }
      await assert.rejects(disk.open(`${directory}/b`, 'read'), { code: 'NOT_FOUND' });
      await assert.rejects(disk.open(`${directory}/b`, 'write'), { code: 'NOT_FOUND' });
      await assert.rejects(disk.open(`${directory}/none/b`, 'create'), { code: 'NOT_FOUND' });
      await using file = await disk.open(`${directory}/a`, 'read');
      await assert.rejects(file.write(0, toBytes('x')));
    }));

  test(`disk (${name}): a list is sorted and a missing folder is NOT_FOUND`, () =>
    run(async ({ world: { disk }, directory }) => {
      for (const file of ['b', 'a10', 'a2', 'B']) await writeFileAtomic(disk, `${directory}/${file}`, toBytes(file));
      await disk.makeDirectory(`${directory}/c/d`);
      assert.deepEqual(await disk.list(directory), ['B', 'a10', 'a2', 'b', 'c']);
      await assert.rejects(disk.list(`${directory}/none`), { code: 'NOT_FOUND' });
      await assert.rejects(disk.syncDirectory(`${directory}/none`), { code: 'NOT_FOUND' });
    }));

  test(`disk (${name}): rename replaces a file, and a missing one is NOT_FOUND`, () =>
    run(async ({ world: { disk }, directory }) => {
      await writeFileAtomic(disk, `${directory}/a`, toBytes('new'));
      await writeFileAtomic(disk, `${directory}/b`, toBytes('old'));
      await disk.rename(`${directory}/a`, `${directory}/b`);
      assert.deepEqual(await disk.list(directory), ['b']);
      assert.equal(toText((await readFile(disk, `${directory}/b`)) ?? new Uint8Array()), 'new');
      await assert.rejects(disk.rename(`${directory}/a`, `${directory}/b`), { code: 'NOT_FOUND' });
    }));

  test(`disk (${name}): stat tells files from folders and from nothing`, () =>
    run(async ({ world: { disk }, directory }) => {
      await disk.makeDirectory(`${directory}/folder`);
      await disk.makeDirectory(`${directory}/folder`);
      await writeFileAtomic(disk, `${directory}/file`, toBytes('abc'));
      assert.equal((await disk.stat(`${directory}/folder`))?.kind, 'directory');
      assert.equal((await disk.stat(`${directory}/file`))?.sizeBytes, 3);
      assert.equal(await disk.stat(`${directory}/none`), undefined);
      assert.equal(await disk.stat(`${directory}/file/below`), undefined);
    }));

  test(`disk (${name}): remove takes a folder with all in it, and nothing is fine`, () =>
    run(async ({ world: { disk }, directory }) => {
      await disk.makeDirectory(`${directory}/folder/inner`);
      await writeFileAtomic(disk, `${directory}/folder/inner/file`, toBytes('abc'));
      await disk.remove(`${directory}/folder`);
      await disk.remove(`${directory}/folder`);
      assert.deepEqual(await disk.list(directory), []);
    }));
}
