import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../bin/haven.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'haven-cli-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The command line where no cluster runs. */
function haven(...args: readonly string[]) {
  const env = { ...process.env, HAVEN_HOME: join(folder, 'home'), HAVEN_PORT_BASE: '64000', NO_COLOR: '1' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...args], { encoding: 'utf8', env, cwd: folder });
  return { status, stdout, stderr };
}

test('haven alone prints its help and is content', () => {
  const { status, stdout, stderr } = haven();
  equal(status, 0);
  match(stdout, /^Usage: haven/);
  match(stdout, /Exit codes: 0 done/);
  match(stdout, /^This machine:$/m);
  equal(/^Commands:$/m.test(stdout), false, 'every command stands under a heading');
  equal(stderr, '');
});

test('--version prints one line', () => {
  const { status, stdout } = haven('--version');
  equal(status, 0);
  match(stdout, /^\d+\.\d+\.\d+\S*\n$/);
});

test('a command that does not exist suggests the nearest, exit 2', () => {
  const { status, stdout, stderr } = haven('deplyo');
  equal(status, 2);
  equal(stdout, '');
  match(stderr, /unknown command 'deplyo'\n\(Did you mean deploy\?\)/);
});

test('a wrong option is exit 2, and with --json also one JSON value on stdout', () => {
  const { status, stdout } = haven('ps', '--jsn', '--json');
  equal(status, 2);
  equal(JSON.parse(stdout).error.code, 'INVALID');
});

test('without a cluster a command says so and what to do, exit 1', () => {
  const { status, stdout, stderr } = haven('status', '--json');
  equal(status, 1);
  equal(stderr, 'haven: Haven is not running here. Next: haven up\n');
  deepEqual(JSON.parse(stdout).error.code, 'UNAVAILABLE');
});

test('a mistake in the config is found without a cluster, all at once with their lines, exit 2', () => {
  writeFileSync(
    join(folder, 'haven.config.json'),
    '{\n  "name": "shop",\n  "web": {\n    "run": { "process": "node web.js" },\n    "count": -1,\n    "helth": "/"\n  }\n}\n',
  );
  const { status, stderr } = haven('deploy');
  equal(status, 2);
  match(stderr, /haven\.config\.json:5: web\.count/);
  match(stderr, /haven\.config\.json:6: web\.helth .*did you mean "health"\?/);
});

test('completion is silent and quick when no cluster answers', () => {
  const startedAt = performance.now();
  deepEqual(haven('__complete', 'logs', ''), { status: 0, stdout: '', stderr: '' });
  deepEqual(haven('__complete', 'pool', ''), { status: 0, stdout: 'create\nls\nrm\n', stderr: '' });
  ok(performance.now() - startedAt < 3_000);
});

test('the completion script is one JSON value with --json, as everything is', () => {
  const { stdout: script } = haven('completion', 'bash');
  deepEqual(JSON.parse(haven('completion', 'bash', '--json').stdout), { shell: 'bash', script: script.trimEnd() });
});

test('doctor without a cluster checks the machine', () => {
  const { status, stdout } = haven('doctor', '--json');
  const { verdict, findings } = JSON.parse(stdout);
  equal(status, verdict === 'fail' ? 1 : 0);
  ok(findings.some(({ check }: { check: string }) => check === 'disk sync'));
  ok(findings.some(({ found }: { found: string }) => found.startsWith('not running')));
});

test('a secret is never taken from an argument', () => {
  equal(haven('secret', 'set', 'PASSWORD', 'value').status, 2);
});
