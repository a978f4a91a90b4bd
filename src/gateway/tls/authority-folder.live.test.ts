import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { UnixMs } from '#world/world';
import { wallNow } from '../dataplane/clock.ts';
import { authorityWarnings, openAuthority, readAuthority } from './authority-folder.ts';
import { issueCertificate, makeAuthority } from './issuing.ts';
import { validFor } from './tls-fixture.ts';

const now = wallNow() as UnixMs;
const dayMs = 86_400_000;

interface Folder extends AsyncDisposable {
  /** Of the authority; not there yet. */
  readonly path: string;
  readonly parent: string;
}

async function newFolder(): Promise<Folder> {
  const parent = await mkdtemp(join(tmpdir(), 'haven-authority-'));
  return { parent, path: join(parent, 'state', 'authority'), [Symbol.asyncDispose]: async () => await rm(parent, { recursive: true, force: true }) };
}

test('an authority is made once, for ten years, where only its owner can read it, and is the same ever after', async () => {
  await using folder = await newFolder();
  equal(await readAuthority(folder.path, now), undefined);
  const made = await openAuthority(folder.path, now);
  equal(made.isNew, true);
  const { isNew, ...again } = await openAuthority(folder.path, now);
  equal(isNew, false);
  deepEqual({ ...again, isNew: true }, made);
  deepEqual(await readAuthority(folder.path, now), again);
  const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
  deepEqual(await Promise.all([folder.path, join(folder.path, 'authority.key'), join(folder.path, '..')].map(mode)), ['700', '600', '700']);
  const certificate = new X509Certificate(await readFile(made.certificatePath));
  equal(certificate.ca, true);
  match(certificate.subject, /^CN=Haven authority of /);
  equal(Math.round((certificate.validToDate.getTime() - now) / (365 * dayMs)), 10);
  deepEqual(await readdir(join(folder.path, '..')), ['authority']);
});

test('of many that make one at the same time, all get the same, and nothing else is left', async () => {
  await using folder = await newFolder();
  for (let round = 0; round < 20; round++) {
    const path = join(folder.parent, String(round), 'authority');
    const made = await Promise.all(Array.from({ length: 6 }, async () => await openAuthority(path, now)));
    equal(new Set(made.map(({ fingerprint, key }) => `${fingerprint} ${key}`)).size, 1);
    equal(made.filter(({ isNew }) => isNew).length, 1);
    deepEqual(await readdir(join(path, '..')), ['authority']);
    deepEqual(await readdir(path), ['authority.crt', 'authority.key']);
  }
});

test('who reads while one is made finds none or a whole one, never a half', async () => {
  await using folder = await newFolder();
  for (let round = 0; round < 100; round++) {
    const path = join(folder.parent, String(round), 'authority');
    const reader = async () => {
      for (let found = await readAuthority(path, now); ; found = await readAuthority(path, now)) if (found !== undefined) return found.fingerprint;
    };
    const [made, ...seen] = await Promise.all([openAuthority(path, now), ...Array.from({ length: 6 }, reader)]);
    deepEqual([...new Set(seen)], [made.fingerprint]);
  }
});

test('what a process that was killed left half-made beside it stands in nobody’s way', async () => {
  await using folder = await newFolder();
  await mkdir(`${folder.path}.0123456789abcdef.new`, { recursive: true });
  await writeFile(`${folder.path}.0123456789abcdef.new/authority.key`, '-----BEGIN');
  await mkdir(folder.path);
  equal((await openAuthority(folder.path, now)).isNew, true);
});

test('an authority that is damaged or incomplete is an error with what, where, why and what to do, and stays as it is', async () => {
  const other = await makeAuthority('other', validFor(30));
  const leaf = await issueCertificate(other, { names: ['a.test'] }, validFor(20));
  const expired = await makeAuthority('expired', { from: (now - 10 * dayMs) as UnixMs, to: (now - dayMs) as UnixMs });
  const early = await makeAuthority('early', { from: (now + dayMs) as UnixMs, to: (now + 10 * dayMs) as UnixMs });
  type Spoil = (certificate: string, key: string) => readonly [string | undefined, string | undefined];
  const cases: readonly (readonly [RegExp, Spoil])[] = [
    [/"authority\.key" is missing beside "authority\.crt"/, (certificate) => [certificate, undefined]],
    [/"authority\.crt" is missing beside "authority\.key"/, (_, key) => [undefined, key]],
    [/"authority\.crt" holds no certificate in PEM/, (certificate, key) => [certificate.slice(0, 200), key]],
    [/"authority\.crt" holds no certificate in PEM/, (_, key) => ['', key]],
    [/"authority\.crt" is damaged/, (certificate, key) => [certificate.replace(/\n.{9}/, '\nAAAAAAAAA'), key]],
    [/"authority\.crt" holds 2 certificates instead of one/, (certificate, key) => [certificate + certificate, key]],
    [/is not that of an authority/, () => [leaf.chain, leaf.key]],
    [/"authority\.key" is damaged: it is no unencrypted private key in PEM/, (certificate, key) => [certificate, key.slice(0, 100)]],
    [/"authority\.key" is damaged/, (certificate) => [certificate, '']],
    [/"authority\.key" is not the key of the certificate/, (certificate) => [certificate, other.key]],
    [/it expired on 20/, () => [expired.chain, expired.key]],
    [/it is not valid before 20.*, and it is 20.* here/, () => [early.chain, early.key]],
  ];
  for (const [why, spoil] of cases) {
    await using folder = await newFolder();
    const { chain, key } = await openAuthority(folder.path, now);
    const spoilt = spoil(chain, key);
    for (const [name, text] of [['authority.crt', spoilt[0]] as const, ['authority.key', spoilt[1]] as const])
      await (text === undefined ? rm(join(folder.path, name)) : writeFile(join(folder.path, name), text));
    const files = async () => await Promise.all((await readdir(folder.path)).map(async (name) => `${name} ${await readFile(join(folder.path, name), 'utf8')}`));
    const before = await files();
    for (const use of [openAuthority, readAuthority])
      await rejects(use(folder.path, now), (error: Error & { code?: string; details?: { folder?: string; next?: string } }) => {
        match(error.message, why);
        match(error.message, /^Cannot use the authority of "tls: internal" in "\/.*\/state\/authority", because /);
        equal(/PRIVATE|[A-Za-z0-9+/]{40}/.test(error.message.replace(folder.path, '')), false, 'nothing of a key is told');
        equal(error.code, 'INVALID');
        match(error.details?.next ?? '', /restore|move|set the clock/);
        return true;
      });
    deepEqual(await files(), before);
  }
});

test('a key that others may read is refused, and so is a folder that holds something else', async () => {
  await using folder = await newFolder();
  await openAuthority(folder.path, now);
  await chmod(join(folder.path, 'authority.key'), 0o640);
  await rejects(openAuthority(folder.path, now), { code: 'INVALID', message: /others than its owner may open "authority\.key"/ });
  await rm(folder.path, { recursive: true });
  await mkdir(folder.path);
  await writeFile(join(folder.path, 'notes.txt'), '');
  await rejects(openAuthority(folder.path, now), { code: 'INVALID', message: /it holds other files/ });
  deepEqual(await readdir(folder.path), ['notes.txt']);
  await writeFile(join(folder.parent, 'file'), '');
  await rejects(openAuthority(join(folder.parent, 'file', 'authority'), now), /because it cannot be read: ENOTDIR/);
});

test('in its last year an authority warns of its end', async () => {
  await using folder = await newFolder();
  const authority = await openAuthority(folder.path, now);
  deepEqual(authorityWarnings(authority, now), []);
  match(authorityWarnings(authority, (authority.validTo - 300 * dayMs) as UnixMs).join(), /expires on 20.*move ".*authority" away and start again/);
});
