import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nodeWorld } from '#world/node/node-world';
import { openSqliteStore } from './sqlite-store.ts';

const ROUNDS = 50;
const world = nodeWorld({ logLevel: 'error', logName: 'test' });

/** Runs a writer and kills it `afterMs` after its first acknowledgement; the lines it wrote. */
async function writeUntilKilled(directory: string, options: { readonly round: number; readonly afterMs: number }): Promise<string[]> {
  const program = fileURLToPath(new URL('./crash-writer.main.ts', import.meta.url));
  const child = spawn(process.execPath, [program, directory, String(options.round)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    output += text;
  });
  const closed = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), closed]);
  await world.clock.sleep(options.afterMs);
  child.kill('SIGKILL');
  await closed;
  assert.equal(child.signalCode, 'SIGKILL', 'the writer ended by itself');
  // A line that was cut says nothing.
  return output.split('\n').slice(0, -1);
}

test(`no acknowledged write is lost in ${ROUNDS} rounds of kill -9`, { timeout: 120_000 }, async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'haven-crash-'));
  context.after(() => rm(directory, { recursive: true }));
  const acknowledged = new Map<string, { readonly value: string; readonly revision: number }>();
  let writes = 0;
  let newest = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const line of await writeUntilKilled(directory, { round, afterMs: world.random.integer(150) })) {
      const [key = '', value = '', revision] = line.split(' ');
      acknowledged.set(key, { value, revision: Number(revision) });
      newest = Math.max(newest, Number(revision));
      writes++;
    }
    await using store = await openSqliteStore({ world, directory });
    const { items, revision } = await store.list({ prefix: '' });
    assert.ok(revision >= newest, `round ${round}: the store went back from revision ${newest} to ${revision}`);
    const found = new Map(items.map((item) => [item.key, item]));
    for (const [key, told] of acknowledged) {
      const item = found.get(key);
      // A write that was not acknowledged may still be there: then it is newer, and not older, than the last one that was.
      const isSame = item?.modRevision === told.revision && item.value === told.value;
      const isNewer = item !== undefined && item.modRevision > told.revision && item.value > told.value;
      assert.ok(isSame || isNewer, `round ${round}: "${key}" was acknowledged as ${told.value} at ${told.revision}, found ${JSON.stringify(item)}`);
      assert.equal(found.get(`${key}/copy`)?.value, item?.value, `round ${round}: half of a transaction`);
    }
  }
  context.diagnostic(`${writes} acknowledged writes, 0 lost`);
  assert.ok(writes > ROUNDS * 16, `only ${writes} writes`);
});
