import { deepEqual, equal } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { complete, SCRIPTS } from './complete.ts';

const noNames = async () => [];

test('the first word completes to commands, groups once', async () => {
  deepEqual(await complete(['p'], noNames), ['plan', 'pool', 'ps']);
});

test('the lab, whose commands are not in the table, is offered too', async () => {
  deepEqual(await complete(['l'], noNames), ['lab', 'logs']);
});

test('a group completes to its verbs', async () => {
  deepEqual(await complete(['pool', ''], noNames), ['create', 'ls', 'rm']);
});

test('a command completes to live names of the kind it takes', async () => {
  deepEqual(await complete(['logs', 'shop/'], async (kind) => (kind === 'target' ? ['shop/api', 'shop/web', 'blog/web'] : [])), ['shop/api', 'shop/web']);
});

test('an argument given already is not offered again, and the value of an option is no argument', async () => {
  const nodes = async () => ['worker-1', 'worker-2'];
  deepEqual(await complete(['node', 'drain', '--deadline', '5m', 'worker-1', ''], nodes), ['worker-2']);
  deepEqual(await complete(['node', 'drain', '--deadline', ''], nodes), []);
  deepEqual(await complete(['node', 'undrain', 'worker-1', ''], nodes), ['worker-2']);
});

test('what only one argument takes is offered once', async () => {
  deepEqual(await complete(['rollback', 'shop', ''], async () => ['blog', 'shop']), []);
  deepEqual(await complete(['node', 'power', 'worker-1', ''], noNames), ['off', 'on']);
  deepEqual(await complete(['completion', ''], noNames), ['bash', 'fish', 'zsh']);
});

test('options complete after a hyphen', async () => {
  deepEqual(await complete(['logs', 'shop', '--f'], noNames), ['--follow']);
});

test('the bash script is one that bash accepts', (t) => {
  const { status, stderr, error } = spawnSync('bash', ['-n'], { input: SCRIPTS['bash'], encoding: 'utf8' });
  if (error) return t.skip(`bash is not installed here: ${error.message}`);
  equal(status, 0, stderr);
});
