import { deepEqual, equal, ok } from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatBreach } from './breach.ts';
import { documentBreaches } from './document-rules.ts';
import { ALLOWED_IMPORTS } from './import-rules.ts';
import { sourceBreaches } from './source-rules.ts';

const root = join(import.meta.dirname, '..');
const IGNORED_FOLDERS = new Set(['node_modules', 'dist', '.git', '.haven', 'coverage']);
const paths = repositoryPaths('');

test('every source file keeps the rules of the repository', () => {
  const sources = paths.filter((path) => /\.(?:ts|tsx|js|mjs|sh|css)$/.test(path) || path === '.ci/run');
  ok(sources.length > 10, 'the walk found the sources');
  const breaches = sources.flatMap((path) => sourceBreaches({ path, text: readFileSync(join(root, path), 'utf8') }));
  equal(breaches.length, 0, `\n${breaches.map(formatBreach).join('\n')}`);
});

test('every document links to what exists and ARCHITECTURE.md fits in 200 lines', () => {
  const documents = paths.filter((path) => path.endsWith('.md'));
  const exists = (path: string): boolean => existsSync(join(root, path));
  const breaches = documents.flatMap((path) => documentBreaches({ path, text: readFileSync(join(root, path), 'utf8') }, exists));
  equal(breaches.length, 0, `\n${breaches.map(formatBreach).join('\n')}`);
});

test('every module of src is in the table of imports', () => {
  const modules = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  deepEqual(
    modules.map((entry) => entry.name).filter((name) => ALLOWED_IMPORTS[name] === undefined),
    [],
  );
});

function repositoryPaths(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return IGNORED_FOLDERS.has(entry.name) ? [] : repositoryPaths(path);
    return entry.isFile() ? [path] : [];
  });
}
