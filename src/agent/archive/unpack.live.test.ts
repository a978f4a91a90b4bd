import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { hasCode } from '#base/errors';
import { ARCHIVE_LIMITS } from './archive-limits.ts';
import { packFolder } from './pack-folder.ts';
import { makeHeader, type TarHeader } from './tar-format.ts';
import { unpackArchive } from './unpack.ts';

const { signal } = new AbortController();

async function scratch(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'haven-archive-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function snapshot(folder: string, below = ''): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(join(folder, below))).sort()) {
    const path = below === '' ? name : `${below}/${name}`;
    const stats = await lstat(join(folder, path));
    if (stats.isDirectory()) Object.assign(found, { [`${path}/`]: '' }, await snapshot(folder, path));
    else if (stats.isSymbolicLink()) found[path] = `-> ${await readlink(join(folder, path))}`;
    else found[path] = `${(stats.mode & 0o7777).toString(8)} ${(await readFile(join(folder, path))).toString('latin1').slice(0, 40)} ${stats.size}`;
  }
  return found;
}

async function exampleFolder(at: string): Promise<void> {
  await mkdir(join(at, 'src/deep'), { recursive: true });
  await mkdir(join(at, 'empty'));
  await mkdir(join(at, '.git'));
  await writeFile(join(at, '.git/HEAD'), 'ref');
  await writeFile(join(at, 'run.sh'), '#!/bin/sh\n');
  await chmod(join(at, 'run.sh'), 0o755);
  await writeFile(join(at, 'src/big.bin'), randomBytes(700_001).fill(7, 100));
  await writeFile(join(at, `src/deep/${'long-name-'.repeat(15)}ü.txt`), 'long');
  await writeFile(join(at, 'zero'), '');
  await writeFile(join(at, 'debug.log'), 'noise');
  await writeFile(join(at, '.havenignore'), '*.log\n');
  await symlink('../run.sh', join(at, 'src/link'));
}

test('what is packed is unpacked the same, without what is ignored', async () => {
  await using space = await scratch();
  const [from, to, archive] = ['from', 'to', 'a.tar.gz'].map((name) => join(space.path, name)) as [string, string, string];
  await exampleFolder(from);
  const packed = await packFolder(from, { to: archive });
  assert.deepEqual(packed.excluded, ['.git/', 'debug.log']);
  assert.match(packed.artifact, /^sha256-[0-9a-f]{64}$/);
  await unpackArchive(archive, to, { signal });
  await Promise.all([rm(join(from, '.git'), { recursive: true }), rm(join(from, 'debug.log'))]);
  assert.deepEqual(await snapshot(to), await snapshot(from));
});

test('the same content has the same digest, whatever its times and place', async () => {
  await using space = await scratch();
  const digests: string[] = [];
  for (const [name, day] of [
    ['one', 1],
    ['two', 20],
  ] as const) {
    const folder = join(space.path, name);
    await mkdir(folder);
    for (const file of name === 'one' ? ['a', 'b', 'Z'] : ['Z', 'b', 'a']) {
      await writeFile(join(folder, file), `content of ${file}`);
      await utimes(join(folder, file), day * 86_400, day * 86_400);
    }
    digests.push((await packFolder(folder, { to: join(space.path, `${name}.tar.gz`) })).artifact);
  }
  assert.equal(digests[0], digests[1]);
  await writeFile(join(space.path, 'two/a'), 'content of A');
  const changed = await packFolder(join(space.path, 'two'), { to: join(space.path, 'three.tar.gz') });
  assert.notEqual(changed.artifact, digests[0]);
});

test('a folder that holds a socket, or a link to the outside, is refused by name', async () => {
  await using space = await scratch();
  const folder = join(space.path, 'app');
  await mkdir(folder);
  await symlink('/etc/passwd', join(folder, 'secrets'));
  await assert.rejects(packFolder(folder, { to: join(space.path, 'a') }), /"secrets".*not a relative path/);
  await rm(join(folder, 'secrets'));
  const server = createServer().listen(join(folder, 'control.sock'));
  await new Promise((resolve) => server.once('listening', resolve));
  await assert.rejects(packFolder(folder, { to: join(space.path, 'a') }), /"control\.sock".*\.havenignore/);
  await new Promise((resolve) => server.close(resolve));
});

test('archives of another tar writer, packed or not, are unpacked', async () => {
  await using space = await scratch();
  const long = `${'folder/'.repeat(30)}file.txt`;
  const bytes = await packTar([
    { header: { name: 'hello.txt', size: 5, type: 'file', mode: 0o6755 }, body: 'hello' },
    { header: { name: 'dir/', size: 0, type: 'directory' } },
    { header: { name: long, size: 4, type: 'file' }, body: 'long' },
    { header: { name: 'again.txt', size: 0, type: 'link', linkname: 'hello.txt' } },
  ]);
  for (const [name, content] of [
    ['plain.tar', bytes],
    ['packed.tar.gz', gzipSync(bytes)],
  ] as const) {
    await writeFile(join(space.path, name), content);
    const folder = join(space.path, `${name}.d`);
    await unpackArchive(join(space.path, name), folder, { signal });
    const found = await snapshot(folder);
    assert.deepEqual([found['hello.txt'], found['again.txt'], found[long], found['dir/']], ['755 hello 5', '755 hello 5', '644 long 4', '']);
  }
});

function tar(entries: readonly (readonly [Partial<TarHeader>, string?])[]): Buffer {
  const blocks: Uint8Array[] = [];
  for (const [header, body = ''] of entries) {
    blocks.push(makeHeader({ path: 'x', type: '0', mode: 0o644, sizeBytes: body.length, target: '', ...header }));
    const padded = new Uint8Array(Math.ceil(body.length / 512) * 512);
    padded.set(Buffer.from(body));
    blocks.push(padded);
  }
  return Buffer.concat([...blocks, new Uint8Array(1024)]);
}

test('an attack writes nothing outside the folder', async () => {
  await using space = await scratch();
  const attacks: Readonly<Record<string, Buffer>> = {
    climb: tar([[{ path: '../escaped' }, 'bad']]),
    absolute: tar([[{ path: join(space.path, 'escaped') }, 'bad']]),
    'through a link': tar([[{ path: 'out', type: '2', target: '..' }], [{ path: 'out/escaped' }, 'bad']]),
    'through two links': tar([[{ path: 'a/up', type: '2', target: '..' }], [{ path: 'out', type: '2', target: 'a/up/..' }], [{ path: 'out/escaped' }, 'bad']]),
    'over a link': tar([[{ path: 'l', type: '2', target: 'inside' }], [{ path: 'l' }, 'bad']]),
    device: tar([[{ path: 'null', type: '3' }]]),
  };
  for (const [name, bytes] of Object.entries(attacks)) {
    await writeFile(join(space.path, 'attack.tar'), bytes);
    const folder = join(space.path, 'target');
    await assert.rejects(unpackArchive(join(space.path, 'attack.tar'), folder, { signal }), (error) => hasCode(error, 'INVALID'), name);
    await rm(folder, { recursive: true });
    assert.deepEqual(await readdir(space.path), ['attack.tar'], name);
  }
});

test('a folder that exists already is not unpacked into', async () => {
  await using space = await scratch();
  await writeFile(join(space.path, 'a.tar'), tar([[{ path: 'x' }, 'x']]));
  await symlink('/tmp', join(space.path, 'target'));
  await assert.rejects(unpackArchive(join(space.path, 'a.tar'), join(space.path, 'target'), { signal }), /EEXIST/);
});

test('bombs, cut and damaged archives are refused', async () => {
  await using space = await scratch();
  const path = join(space.path, 'bad');
  const good = tar([[{ path: 'x' }, 'x'.repeat(5_000)]]);
  const flipped = Buffer.from(good);
  flipped[3] = 1;
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [good.subarray(0, 2_000), /ends in the middle/],
    [good.subarray(0, 512 + 5_120), /ends in the middle/],
    [Buffer.from('this is no archive, '.repeat(100)), /not a tar archive/],
    [flipped, /damaged/],
    [gzipSync(good).subarray(0, 40), /compression is damaged/],
    [gzipSync(tar(Array.from({ length: 60 }, (_, index) => [{ path: `f${index}` }, ' '.repeat(50_000)] as const))), /more than 1Mi/],
    [tar(Array.from({ length: 60 }, (_, index) => [{ path: `f${index}` }] as const)), /more than 50 entries/],
    [tar([[{ path: 'huge', type: 'x', sizeBytes: 2 ** 30 }]]), /a header of it has/],
    [tar([[{ path: 'pax', type: 'x' }, '99999 path=x\n']]), /malformed/],
  ];
  for (const [index, [bytes, sentence]] of cases.entries()) {
    await writeFile(path, bytes);
    const limits = { ...ARCHIVE_LIMITS, totalBytes: 2 ** 20, entries: 50 };
    await assert.rejects(
      unpackArchive(path, join(space.path, `out-${index}`), { signal, limits }),
      (error) => error instanceof Error && sentence.test(error.message),
      String(sentence),
    );
  }
});
