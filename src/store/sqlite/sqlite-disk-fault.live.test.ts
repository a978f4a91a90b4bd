import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nodeWorld } from '#world/node/node-world';
import { openSqliteStore } from './sqlite-store.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });

test('a failed fsync ends all writing, and what was acknowledged before it is there after a restart', { timeout: 60_000 }, async (context) => {
  if (spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status !== 0) return context.skip('strace is missing or may not trace here');
  const directory = await mkdtemp(join(tmpdir(), 'haven-eio-'));
  context.after(() => rm(directory, { recursive: true }));
  const program = fileURLToPath(new URL('./crash-writer.main.ts', import.meta.url));
  // SQLite as built into Node calls fsync. One failure only: whoever tries again succeeds, which is the mistake this looks for.
  const inject = ['-f', '-qq', '-o', '/dev/null', '-e', 'inject=fsync,fdatasync:error=EIO:when=100'];
  const child = spawn('strace', [...inject, process.execPath, program, directory, '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await closed;
  assert.match(errors, /UNAVAILABLE/);
  assert.match(errors, /disk I\/O error; reads go on\. Check the disk/);
  const lines = output.split('\n').slice(0, -1);
  assert.ok(lines.length > 100, `only ${lines.length} writes before the failure`);
  await using store = await openSqliteStore({ world, directory });
  for (const line of lines) {
    const [key = '', value = ''] = line.split(' ');
    const item = await store.get(key);
    assert.ok(item && item.value >= value, `"${key}" was acknowledged as ${value}, found ${JSON.stringify(item)}`);
  }
});
