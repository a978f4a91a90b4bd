import { deepEqual, equal } from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ACCESS_LOG, type AccessEntry, AccessLog } from './access-log.ts';
import { until } from './live-fixture.ts';

const entry: AccessEntry = {
  id: '1',
  client: '127.0.0.1',
  protocol: 'HTTP/1.1',
  tls: '',
  method: 'GET',
  host: 'a',
  path: '/',
  status: 200,
  end: '--',
  bytesIn: 0,
  bytesOut: 2,
  queueMs: 0,
  connectMs: 0,
  firstByteMs: 1,
  totalMs: 1,
  service: 'edge/web',
  backend: 'web.1',
  tries: 1,
};

async function inFolder(run: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'haven-access-log-'));
  try {
    await run(join(folder, 'access-1.log'), folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('on a disk that is full every line that is lost is counted, and that the log cannot be written is told once', async (t) => {
  if (!(await stat('/dev/full').catch(() => undefined))) {
    t.skip('this machine has no /dev/full');
    return;
  }
  await inFolder(async (path) => {
    await symlink('/dev/full', path);
    const told: string[] = [];
    using log = new AccessLog(path, (message) => told.push(message));
    for (let round = 1; round <= 3; round++) {
      for (let line = 0; line < 5; line++) log.add(entry);
      log.flush();
      await until(() => log.dropped === round * 5, 'the lines are counted');
    }
    deepEqual(told, [`the access log ${path} cannot be written (ENOSPC): lines are lost and counted until it can; make room on its disk`]);
  });
});

test('a log that cannot be rotated goes on in its file, and is rotated as soon as it can be', async () => {
  await inFolder(async (path) => {
    await writeFile(path, Buffer.alloc(ACCESS_LOG.fileBytes + 1, 'x'));
    await mkdir(`${path}.next`);
    const told: string[] = [];
    using log = new AccessLog(path, (message) => told.push(message));
    const written = async () => (await stat(path)).size;
    for (let round = 1; round <= 2; round++) {
      const before = await written();
      log.add(entry);
      log.flush();
      await until(async () => (await written()) > before, 'the line is in the file');
    }
    deepEqual(told, [`the access log ${path} cannot be rotated (EISDIR): it goes on in the same file, and that is tried again`]);
    await rm(`${path}.next`, { recursive: true });
    log.add(entry);
    log.flush();
    await until(async () => (await stat(`${path}.1`).catch(() => undefined)) !== undefined && (await written()) > 0, 'it is rotated');
    equal((await readFile(path, 'utf8')).split('\n').length, 2);
    equal(log.dropped, 0);
  });
});

test('a log that others move away or delete is begun anew, so that they may rotate it and free its disk', async () => {
  await inFolder(async (path) => {
    const told: string[] = [];
    using log = new AccessLog(path, (message) => told.push(message));
    const linesIn = async (file: string) => (await readFile(file, 'utf8').catch(() => '')).split('\n').length - 1;
    const writeOne = async () => {
      log.add(entry);
      log.flush();
      await until(async () => (await linesIn(path)) === 1, 'the line is in the file');
    };
    await writeOne();
    await rename(path, `${path}-old`);
    await writeOne();
    equal(await linesIn(`${path}-old`), 1);
    await rm(path);
    await writeOne();
    deepEqual([told, log.dropped], [[], 0]);
  });
});
