import { deepEqual, equal } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { complete, SCRIPTS } from './complete.ts';

const noNames = async () => [];

test('the first word completes to commands, groups once', async () => {
  deepEqual(await complete(['p'], noNames), ['plan', 'pool', 'ps']);
});

test('a group completes to its verbs', async () => {
  deepEqual(await complete(['pool', ''], noNames), ['create', 'ls', 'rm']);
});

test('a command completes to live names of the kind it takes', async () => {
  deepEqual(await complete(['logs', 'shop/'], async (kind) => (kind === 'service' ? ['shop/api', 'shop/web', 'blog/web'] : [])), ['shop/api', 'shop/web']);
});

test('options complete after a hyphen', async () => {
  deepEqual(await complete(['logs', 'shop', '--f'], noNames), ['--follow']);
});

test('the bash script is one that bash accepts', (t) => {
  const { status, stderr, error } = spawnSync('bash', ['-n'], { input: SCRIPTS['bash'], encoding: 'utf8' });
  if (error) return t.skip(`bash is not installed here: ${error.message}`);
  equal(status, 0, stderr);
});
