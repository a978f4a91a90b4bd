import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { ARCHIVE_LIMITS } from './archive-limits.ts';
import { EntryGuard, type SafeEntry } from './entry-guard.ts';
import type { TarHeader } from './tar-format.ts';

const file = (path: string, more: Partial<TarHeader> = {}): TarHeader => ({ path, type: '0', mode: 0o644, sizeBytes: 1, target: '', ...more });
const folder = (path: string): TarHeader => file(path, { type: '5', sizeBytes: 0 });
const symlink = (path: string, target: string): TarHeader => file(path, { type: '2', sizeBytes: 0, target });
const hardlink = (path: string, target: string): TarHeader => file(path, { type: '1', sizeBytes: 0, target });

function admitAll(headers: readonly TarHeader[], limits = ARCHIVE_LIMITS): (SafeEntry | undefined)[] {
  const guard = new EntryGuard(limits);
  return headers.map((header) => guard.admit(header));
}

const ATTACKS: readonly (readonly [name: string, headers: readonly TarHeader[], sentence: RegExp])[] = [
  ['an absolute path', [file('/etc/passwd')], /"\/etc\/passwd".*absolute/],
  ['a path that climbs', [file('../outside')], /"\.\.\/outside".*leaves the folder/],
  ['a path that climbs in the middle', [file('a/../../outside')], /leaves the folder/],
  ['a path that climbs and comes back', [file('a/../b')], /leaves the folder/],
  ['a NUL in a path', [file('a\0b')], /control character/],
  ['a line break in a path', [file('a\nb')], /control character/],
  ['an absolute link', [symlink('link', '/etc')], /"link".*not a relative path/],
  ['a link that climbs out', [symlink('link', '../outside')], /"link".*leaves the folder/],
  ['a link that climbs out from below', [symlink('a/b/link', '../../../outside')], /leaves the folder/],
  ['a link that climbs after descending', [symlink('a/b/up', '../..'), symlink('out', 'a/b/up/../../etc')], /"out".*"\.\." after a name/],
  ['an empty link', [symlink('link', '')], /not a relative path/],
  ['a file below a link', [symlink('dir', '.'), file('dir/x')], /"dir\/x".*not a folder/],
  ['a file below a file', [file('dir'), file('dir/x')], /not a folder/],
  ['a link over a folder in use', [file('dir/x'), symlink('dir', '.')], /"dir".*another entry/],
  ['a file over a link', [symlink('x', 'y'), file('x')], /"x".*another entry/],
  ['a file over a link by another spelling', [symlink('x', 'y'), file('./x')], /another entry/],
  ['a folder over a link', [symlink('x', 'y'), folder('x/')], /another entry/],
  ['the same file twice', [file('x'), file('x')], /another entry/],
  ['a hard link to what is not there', [hardlink('x', 'etc/passwd')], /no file of the archive/],
  ['a hard link that climbs', [hardlink('x', '../passwd')], /leaves the folder/],
  ['a hard link to a link', [symlink('l', 'y'), hardlink('x', 'l')], /no file of the archive/],
  ['a character device', [file('null', { type: '3' })], /"null".*device/],
  ['a block device', [file('disk', { type: '4' })], /device/],
  ['a named pipe', [file('pipe', { type: '6' })], /named pipe/],
  ['a type nobody knows', [file('x', { type: 'S' })], /type "S" is not known/],
  ['a path of more than 1024 bytes', [file(`${'a/'.repeat(600)}x`)], /longer than 1024 bytes/],
  ['a name of more than 255 bytes', [file('é'.repeat(128))], /longer than 255 bytes/],
  ['an empty path', [file('')], /empty/],
];

for (const [name, headers, sentence] of ATTACKS) {
  test(`${name} is refused by a sentence that names the entry`, () => {
    assert.throws(
      () => admitAll(headers),
      (error) => hasCode(error, 'INVALID') && sentence.test(error.message),
    );
  });
}

test('what a usual archive holds is admitted, with owners, times and setuid left behind', () => {
  const headers = [
    folder('./'),
    file('./run.sh', { mode: 0o4755 }),
    file('src/a.js', { mode: 0o600 }),
    symlink('node_modules/.bin/tool', '../tool/cli.js'),
    hardlink('b.js', 'src/a.js'),
  ];
  assert.deepEqual(admitAll(headers), [
    undefined,
    { kind: 'file', path: 'run.sh', mode: 0o755, sizeBytes: 1 },
    { kind: 'file', path: 'src/a.js', mode: 0o644, sizeBytes: 1 },
    { kind: 'symlink', path: 'node_modules/.bin/tool', target: '../tool/cli.js' },
    { kind: 'hardlink', path: 'b.js', target: 'src/a.js' },
  ]);
});

test('entries are counted with the folders they imply', () => {
  const limits = { ...ARCHIVE_LIMITS, entries: 3 };
  admitAll([file('a/b/c')], limits);
  assert.throws(
    () => admitAll([file('a/b/c'), file('d')], limits),
    (error) => hasCode(error, 'TOO_LARGE') && /more than 3 entries/.test(error.message),
  );
});

test('the sizes that headers announce are bounded before a byte is written', () => {
  assert.throws(
    () => admitAll([file('small'), file('bomb', { sizeBytes: 2 ** 31 })]),
    (error) => hasCode(error, 'TOO_LARGE') && /"bomb".*2Gi/.test(error.message),
  );
});
