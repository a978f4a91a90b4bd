import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '#base/errors';
import { nodeWorld } from '#world/node/node-world';
import type { Operation, Revision } from '../store.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { StateFile } from './state-file.ts';

const LIMIT_BYTES = 2 ** 30;
const world = nodeWorld({ logLevel: 'error', logName: 'test' });

async function temporaryFolder(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-flip-'));
  context.after(() => rm(directory, { recursive: true }));
  return directory;
}

/** Writes every kind of record, one transaction after another; `beforeClose` sees the folder while it is open. */
async function fill(directory: string, beforeClose: () => Promise<void> = async () => {}): Promise<void> {
  await using store = await openSqliteStore({ world, directory });
  const lease = await store.grantLease(3_600_000);
  for (let n = 0; n < 120; n++) {
    const put: Operation = { kind: 'put', key: `app/${n % 40}`, value: `${n} ${'é😀'.repeat(n)}`, ...(n % 5 === 0 ? { lease: lease.id } : {}) };
    await store.transact({ compare: [], then: [put] });
  }
  await store.transact({ compare: [], then: [{ kind: 'delete', range: { prefix: 'app/1' } }] });
  await store.compact(60 as Revision);
  await beforeClose();
}

/** Everything in the file, or the error of reading it. */
function load(directory: string): { readonly content: string } | { readonly error: unknown } {
  let file: StateFile | undefined;
  try {
    file = new StateFile({ directory, limitBytes: LIMIT_BYTES });
    const rows: unknown[] = [];
    const state = file.load((changes) => rows.push(changes));
    return { content: JSON.stringify([rows, state]) };
  } catch (error) {
    return { error };
  } finally {
    file?.close();
  }
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return copy;
}

test('a flipped bit anywhere in the file is found or harmless, and the file is left as it is', { timeout: 60_000 }, async (context) => {
  const directory = await temporaryFolder(context);
  await fill(directory);
  const path = join(directory, 'state.db');
  const bytes = await readFile(path);
  const expected = load(directory);
  assert.ok('content' in expected);
  const found = { CORRUPT: 0, UNSUPPORTED: 0, harmless: 0 };
  // A prime stride meets every kind of place, and every bit of a byte.
  for (let bit = 5; bit < bytes.length * 8; bit += 1_511) {
    const damaged = flipped(bytes, bit);
    await writeFile(path, damaged);
    const loaded = load(directory);
    if ('content' in loaded) {
      assert.equal(loaded.content, expected.content, `bit ${bit} changed what was read`);
      found.harmless++;
      continue;
    }
    const code = hasCode(loaded.error, 'CORRUPT') ? 'CORRUPT' : 'UNSUPPORTED';
    if (!hasCode(loaded.error, code)) throw loaded.error;
    assert.ok(loaded.error.message.includes(path), loaded.error.message);
    assert.ok(damaged.equals(await readFile(path)), `bit ${bit}: the damaged file was changed`);
    found[code]++;
  }
  context.diagnostic(JSON.stringify(found));
  assert.ok(found.CORRUPT > 200, JSON.stringify(found));
});

test('a flipped bit in what a crash left is found, or costs no transaction but the very last', { timeout: 60_000 }, async (context) => {
  const directory = await temporaryFolder(context);
  const crashed = join(directory, 'crashed');
  await mkdir(crashed);
  const names = ['state.db', 'state.db-wal'];
  await fill(directory, async () => {
    for (const name of names) await copyFile(join(directory, name), join(crashed, name));
  });
  const copies = await Promise.all(names.map((name) => readFile(join(crashed, name))));
  const [, log = Buffer.alloc(0)] = copies;
  const restore = () => Promise.all(names.map((name, i) => writeFile(join(crashed, name), copies[i] as Buffer)));
  const expected = load(crashed);
  assert.ok('content' in expected && log.length > 100_000);
  const { length } = (JSON.parse(expected.content) as [{ sequences: number[] }[], unknown])[0][0]?.sequences ?? [];
  const found = { CORRUPT: 0, same: 0, lastLost: 0 };
  for (let bit = 3; bit < log.length * 8; bit += 20_011) {
    await restore();
    await writeFile(join(crashed, 'state.db-wal'), flipped(log, bit));
    const loaded = load(crashed);
    if ('error' in loaded) {
      if (!hasCode(loaded.error, 'CORRUPT')) throw loaded.error;
      found.CORRUPT++;
    } else if (loaded.content === expected.content) {
      found.same++;
    } else {
      // The last transaction was the compaction, which drops rows: without it there are more.
      const rows = (JSON.parse(loaded.content) as [{ sequences: number[] }[], unknown])[0][0]?.sequences ?? [];
      assert.ok(rows.length > length, `bit ${bit}: ${rows.length} rows instead of ${length}`);
      found.lastLost++;
    }
  }
  context.diagnostic(JSON.stringify(found));
  assert.ok(found.CORRUPT > 100 && found.lastLost < found.CORRUPT / 5, JSON.stringify(found));
});
