import { equal, rejects } from 'node:assert/strict';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { accessLogFolder, lookAtFolder, makeFolder } from './kept-folders.ts';

const AS_ROOT = process.getuid?.() === 0 && 'root may write everywhere';

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'haven-kept-'));
  t.after(async () => await rm(folder, { recursive: true, force: true }));
  return folder;
}

test('a folder that can be made is made when it is needed, not when it is looked at', async (t) => {
  const parent = await temporaryFolder(t);
  const folder = accessLogFolder(join(parent, 'a', 'b'));
  equal(await lookAtFolder(folder), undefined);
  equal((await readdir(parent)).length, 0);
  await makeFolder(folder);
  equal((await readdir(parent, { recursive: true })).length, 2);
  equal(await lookAtFolder(folder), undefined);
});

test('where a file is in the way, both refuse and name it', async (t) => {
  const file = join(await temporaryFolder(t), 'file');
  await writeFile(file, '');
  for (const path of [file, join(file, 'a', 'b')]) {
    const refusal = { code: 'INVALID', message: `Cannot use ${path} for "accessLog", because ${file} is no folder` };
    await rejects(makeFolder(accessLogFolder(path)), refusal);
    await rejects(lookAtFolder(accessLogFolder(path)), refusal);
  }
});

test('who looks need not be who will write: that this user may not is a warning then, and an error when it is to be made', { skip: AS_ROOT }, async (t) => {
  const parent = await temporaryFolder(t);
  await chmod(parent, 0o555);
  for (const path of [parent, join(parent, 'a')]) {
    const why = `Cannot use ${path} for "accessLog", because this user may not write to ${parent}`;
    equal(await lookAtFolder(accessLogFolder(path)), `${why}; the user that the gateway runs as has to`);
    await rejects(makeFolder(accessLogFolder(path)), { code: 'INVALID', message: why });
  }
});
