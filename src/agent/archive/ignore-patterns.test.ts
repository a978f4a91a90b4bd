import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIgnorePatterns } from './ignore-patterns.ts';

test('patterns leave out what .gitignore would', () => {
  const ignores = parseIgnorePatterns('# comment\n\n*.log\nbuild/\n/top.txt\ndocs/*.md\ndeep/**\nany/**/x?.js\nplain+name\n');
  const cases: readonly (readonly [string, boolean, boolean])[] = [
    ['a.log', false, true],
    ['src/a.log', false, true],
    ['a.logs', false, false],
    ['build', true, true],
    ['src/build', true, true],
    ['build', false, false],
    ['top.txt', false, true],
    ['src/top.txt', false, false],
    ['docs/a.md', false, true],
    ['docs/sub/a.md', false, false],
    ['deep/a/b', false, true],
    ['any/x1.js', false, true],
    ['any/a/b/x1.js', false, true],
    ['any/xy1.js', false, false],
    ['plain+name', false, true],
    ['.git', true, true],
    ['sub/.git', false, true],
    ['.haven', true, true],
    ['.gitignore', false, false],
    ['node_modules', true, false],
  ];
  assert.deepEqual(
    cases.map(([path, isDirectory]) => [path, isDirectory, ignores(path, isDirectory)]),
    cases,
  );
});

test('a pattern that is not supported is refused rather than ignored', () => {
  assert.throws(() => parseIgnorePatterns('!keep.log'), /"!keep\.log".*not supported/);
  assert.throws(() => parseIgnorePatterns('[ab].log'), /not supported/);
});
