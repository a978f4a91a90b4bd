// Writes docs/cli.md from the table of commands: `node scripts/write-cli-reference.ts`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS } from '#cli/commands';
import { renderReference } from '#cli/reference';

writeFileSync(join(import.meta.dirname, '..', 'docs', 'cli.md'), renderReference(COMMANDS));
