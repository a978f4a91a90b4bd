import { equal } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { COMMANDS } from './commands.ts';
import { renderReference } from './reference.ts';

test('docs/cli.md says what the table of commands says', () => {
  const written = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  equal(written, renderReference(COMMANDS), 'run "node scripts/write-cli-reference.ts"');
});
