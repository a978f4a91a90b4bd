import { deepEqual, equal, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { describeIssues, issuesOf } from './issues.ts';
import { loadConfig } from './load-config.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haven-config-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const write = (name: string, text: string) => writeFile(join(folder, name), text);

test('a TypeScript config may import the SDK although its folder has none', async () => {
  await write(
    'haven.config.ts',
    `import { defineApp } from '@haven/sdk';\nconst count: number = 1 + 2;\nexport default defineApp({ name: 'shop', web: { run: { process: 'node a.js' }, count } });`,
  );
  const { value, directory, format } = await loadConfig(folder);
  deepEqual({ value, directory, format }, { value: { name: 'shop', web: { run: { process: 'node a.js' }, count: 3 } }, directory: folder, format: 'code' });
});

test('a config that was changed is read anew', async () => {
  await write('haven.config.mjs', `export default { name: 'one' };`);
  await loadConfig(folder);
  await write('haven.config.mjs', `export default { name: 'two' };`);
  deepEqual((await loadConfig(folder)).value, { name: 'two' });
});

test('JSON and YAML configs are read, and a file may be named instead of its folder', async () => {
  await write('haven.config.json', '{ "name": "shop" }');
  await write('other.yaml', 'name: blog\nweb:\n  count: 2\n');
  deepEqual((await loadConfig(folder)).value, { name: 'shop' });
  deepEqual((await loadConfig(join(folder, 'other.yaml'))).value, { name: 'blog', web: { count: 2 } });
});

test('a config that throws names the line and the reason', async () => {
  await write('haven.config.ts', `const a = 1;\nthrow new Error('the database has no name');\nexport default { a };`);
  await rejects(loadConfig(folder), { code: 'INVALID', message: /haven\.config\.ts:2, because the database has no name$/ });
});

test('a config with a mistake in its syntax names the line', async () => {
  await write('haven.config.ts', `export default {\n  web: { run: },\n};`);
  await rejects(loadConfig(folder), { code: 'INVALID', message: /haven\.config\.ts:2, because/ });
  await write('haven.config.yaml', 'name: shop\nweb: [1\n');
  await rejects(loadConfig(join(folder, 'haven.config.yaml')), { code: 'INVALID', message: /haven\.config\.yaml:\d+:\d+, because/ });
});

test('a value that JSON cannot carry is a mistake with its path, not lost in silence', async () => {
  const cases = [
    ['{ web: { run: () => 1 } }', /web\.run is a function/],
    ['{ web: { since: new Date(0) } }', /web\.since is a date/],
    ['{ list: [1, Number.NaN] }', /list\[1\] is a number/],
    ['{ map: new Map() }', /map is an object of a class/],
    ['(() => { const a = {}; a.a = a; return a; })()', /20 levels/],
  ] as const;
  for (const [text, message] of cases) {
    await write('haven.config.mjs', `export default ${text};`);
    await rejects(loadConfig(folder), { code: 'INVALID', message }, text);
  }
});

test('without a default export the config says what to write', async () => {
  await write('haven.config.mjs', `export const app = {};`);
  await rejects(loadConfig(folder), { code: 'INVALID', message: /export default defineApp/ });
});

test('a folder without a config and a path to nothing are told apart, and are wrong usage', async () => {
  await rejects(loadConfig(folder), { code: 'INVALID', message: /haven\.config\.ts/ });
  await rejects(loadConfig(join(folder, 'nothing')), { code: 'INVALID', message: /Cannot find .*nothing/ });
});

test('a file that cannot be a config is wrong usage, and says what would be one', async () => {
  const gateway = { name: 'gateway', example: 'export default { listen: … }' };
  await write('gateway.txt', 'listen: 127.0.0.1:80');
  await rejects(loadConfig(join(folder, 'gateway.txt'), gateway), { code: 'INVALID', message: /gateway\.txt, because its name does not tell/ });
  await write('large.yaml', 'a'.repeat(1024 * 1024 + 1));
  await rejects(loadConfig(join(folder, 'large.yaml'), gateway), { code: 'INVALID', message: /because it has 1048577 bytes/ });
  await rejects(loadConfig(folder, gateway), { code: 'INVALID', message: /named gateway\.ts/ });
  await write('gateway.mjs', 'export const listen = 1;');
  await rejects(loadConfig(folder, gateway), { code: 'INVALID', message: /it has no default export\. Next: write "export default \{ listen: … \}"/ });
});

test('all issues are shown at once, each with its line, in the order of the file', async () => {
  await write('haven.config.ts', `export default {\n  name: 'shop',\n  web: {\n    count: -1,\n    helth: '/healthz',\n  },\n};`);
  const config = await loadConfig(folder);
  const lines = describeIssues(config, [
    { path: ['web', 'helth'], message: 'is not a known key', nearest: 'health' },
    { path: ['web', 'count'], message: 'must be at least 0' },
    { path: [], message: 'An app has too much' },
  ]);
  deepEqual(
    lines.map((line) => line.replace(/^.*haven\.config/, 'haven.config')),
    [
      'haven.config.ts:1: An app has too much',
      'haven.config.ts:4: web.count must be at least 0',
      'haven.config.ts:5: web.helth is not a known key; did you mean "health"?',
    ],
  );
});

test('only well-formed issues are taken from an error', () => {
  deepEqual(issuesOf({ issues: [{ path: ['a'], message: 'm' }, { path: 'a' }, null, 7] }), [{ path: ['a'], message: 'm' }]);
  equal(issuesOf({}).length, 0);
});
