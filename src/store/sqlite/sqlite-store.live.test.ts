import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { hasCode, type PlatformError } from '#base/errors';
import { nodeWorld } from '#world/node/node-world';
import type { MemoryStore } from '../memory/memory-store.ts';
import type { LeaseId, Operation, Revision } from '../store.ts';
import { openSqliteStore, type SqliteStoreOptions } from './sqlite-store.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });

async function temporaryFolder(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-store-'));
  context.after(() => rm(directory, { recursive: true }));
  return directory;
}

function open(directory: string, options: Partial<SqliteStoreOptions> = {}): Promise<MemoryStore> {
  return openSqliteStore({ world, directory, ...options });
}

function put(store: MemoryStore, key: string, options: { readonly value?: string; readonly lease?: LeaseId } = {}): Promise<unknown> {
  const { value = 'x', lease } = options;
  const operation: Operation = { kind: 'put', key, value, ...(lease ? { lease } : {}) };
  return store.transact({ compare: [], then: [operation] });
}

async function failureOf(promise: Promise<unknown>, code: PlatformError['code']): Promise<PlatformError> {
  const error = await promise.then(
    () => assert.fail(`it should be ${code}`),
    (reason: unknown) => reason,
  );
  if (!hasCode(error, code)) throw error;
  return error;
}

test('a restart keeps keys, revisions and history since the last compaction', async (context) => {
  const directory = await temporaryFolder(context);
  const fill = async () => {
    await using store = await open(directory);
    for (const value of ['1', '2', '3', '4']) await put(store, 'a', { value });
    await put(store, 'gone');
    await store.transact({ compare: [], then: [{ kind: 'delete', range: { key: 'gone' } }] });
    await store.compact(4 as Revision);
    return await store.list({ prefix: '' });
  };
  const before = await fill();
  await using store = await open(directory);
  assert.deepEqual(await store.list({ prefix: '' }), before);
  assert.deepEqual(await store.status(), { revision: 7, oldest: 4, keys: 1 });
  assert.equal((await store.get('a', { revision: 4 as Revision }))?.value, '3');
  await failureOf(store.get('a', { revision: 3 as Revision }), 'COMPACTED');
  const kinds: string[] = [];
  for await (const batch of store.watch({ prefix: '' }, { fromRevision: 4 as Revision, signal: new AbortController().signal })) {
    if (batch.events.length === 0) break;
    kinds.push(`${batch.revision} ${batch.events[0]?.kind}`);
  }
  assert.deepEqual(kinds, ['4 put', '5 put', '6 put', '7 delete']);
  await put(store, 'b');
  assert.equal((await store.get('b'))?.modRevision, 8);
});

test('after a restart a lease begins its whole duration again, and still ends', async (context) => {
  const directory = await temporaryFolder(context);
  const fill = async () => {
    await using store = await open(directory);
    const lease = await store.grantLease(3_000);
    const ended = await store.grantLease(60_000);
    await put(store, 'a', { lease: lease.id });
    await store.revokeLease(ended.id);
    await world.clock.sleep(1_500);
    return { lease, ended };
  };
  const { lease, ended } = await fill();
  await using store = await open(directory);
  const status = await store.leaseStatus(lease.id);
  assert.ok(status && status.durationMs === 3_000 && status.remainingMs > 1_600, JSON.stringify(status));
  assert.equal(await store.leaseStatus(ended.id), undefined);
  for (let round = 0; (await store.get('a')) !== undefined && round < 3_000; round++) await world.clock.sleep(10);
  assert.equal(await store.get('a'), undefined);
});

test('a folder that is open is LOCKED, with the pid of its owner, in this process and in another', async (context) => {
  const directory = await temporaryFolder(context);
  await using store = await open(directory);
  const error = await failureOf(open(directory), 'LOCKED');
  assert.equal(error.details.pid, process.pid);
  assert.match(error.message, new RegExp(`process ${process.pid} .*stop that process`));
  const program = `
    import { openSqliteStore } from '#store/sqlite/sqlite-store';
    import { nodeWorld } from '#world/node/node-world';
    const world = nodeWorld({ logLevel: 'error', logName: 'test' });
    await openSqliteStore({ world, directory: process.argv[1] }).catch((error) => console.log(error.code, error.details.pid));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, directory]);
  assert.equal(stdout.trim(), `LOCKED ${process.pid}`);
  await put(store, 'still works');
});

test('a closed folder can be opened again at once, and is for its owner only', async (context) => {
  const directory = join(await temporaryFolder(context), 'made', 'here');
  for (let n = 0; n < 3; n++) {
    await using store = await open(directory);
    await put(store, 'a');
  }
  const modes = await Promise.all([directory, join(directory, 'state.db')].map(async (path) => ((await stat(path)).mode & 0o777).toString(8)));
  assert.deepEqual(modes, ['700', '600']);
});

test('a file of a newer format, of another program or of no database is refused and left alone', async (context) => {
  const directory = await temporaryFolder(context);
  await (await open(directory))[Symbol.asyncDispose]();
  const change = (sql: string) => {
    using database = new DatabaseSync(join(directory, 'state.db'));
    database.exec(sql);
  };
  change('PRAGMA user_version=2');
  assert.match((await failureOf(open(directory), 'UNSUPPORTED')).message, /format 2 .* reads 1/);
  change('PRAGMA user_version=1; PRAGMA application_id=5');
  await failureOf(open(directory), 'UNSUPPORTED');
  await writeFile(join(directory, 'state.db'), 'something else entirely'.repeat(100));
  assert.match((await failureOf(open(directory), 'CORRUPT')).message, /state\.db.*Restore the folder/);
});

test('when the file is full, writes are UNAVAILABLE, reads go on and nothing acknowledged is lost', async (context) => {
  const directory = await temporaryFolder(context);
  let acknowledged = 0;
  const fill = async () => {
    await using store = await open(directory, { limitBytes: 2 ** 20, reserveBytes: 0 });
    const filling = async () => {
      for (;;) {
        await put(store, `k${acknowledged}`, { value: 'x'.repeat(10_000) });
        acknowledged++;
      }
    };
    const error = await failureOf(filling(), 'UNAVAILABLE');
    assert.match(error.message, /full; reads go on\. Free some space/);
    await failureOf(put(store, 'later'), 'UNAVAILABLE');
    assert.equal((await store.list({ prefix: 'k' })).count, acknowledged);
    assert.equal((await store.status()).failure, error.message);
  };
  await fill();
  assert.ok(acknowledged > 50, String(acknowledged));
  await using store = await open(directory);
  assert.ok((await store.list({ prefix: 'k' })).count >= acknowledged);
});

test('with less room than the reserve, puts are LIMIT, deletions work, and puts come back with the room', async (context) => {
  const directory = await temporaryFolder(context);
  await using store = await open(directory, { limitBytes: 2 ** 22, reserveBytes: 2 ** 21, history: { keepMs: 0, keepRevisions: 1, maxBytes: 0 } });
  let error: unknown;
  for (let n = 0; n < 500 && !error; n++) {
    error = await put(store, `k${n}`, { value: 'x'.repeat(10_000) }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
  }
  assert.ok(hasCode(error, 'LIMIT'), String(error));
  await store.transact({ compare: [], then: [{ kind: 'delete', range: { prefix: 'k' } }] });
  await store.compact((await store.status()).revision);
  await put(store, 'again').catch(() => world.clock.sleep(100));
  await put(store, 'again');
});
