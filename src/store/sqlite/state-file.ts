import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { messageOf, PlatformError } from '#base/errors';
import type { ChangeColumns, JournalBatch } from './journal-messages.ts';
import { noChanges } from './journal-messages.ts';
import { ownerOf, recordOwner } from './owner.ts';
import { type ChangeRow, changeChecksum, Digest, leaseChecksum } from './row-checksum.ts';
import { checkWriteAheadLog } from './write-ahead-log.ts';

/** The version of the file's layout that this program writes; it reads this one and none newer. */
const FORMAT_VERSION = 1;

const APPLICATION_ID = 0x48564e31;

const SCHEMA = `
  CREATE TABLE changes (sequence INTEGER PRIMARY KEY, revision INTEGER NOT NULL, key TEXT NOT NULL, value TEXT,
    create_revision INTEGER NOT NULL, version INTEGER NOT NULL, lease TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT;
  CREATE TABLE leases (id TEXT PRIMARY KEY, duration_ms REAL NOT NULL, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), oldest INTEGER NOT NULL, rows INTEGER NOT NULL, mix INTEGER NOT NULL,
    checksum INTEGER NOT NULL) STRICT;
`;

const PAGE_BYTES = 4096;

/** How many changes are read at once. */
const LOAD_ROWS = 5_000;

/** What the file held when it was opened. */
interface LoadedState {
  readonly oldest: number;
  readonly leases: readonly { readonly id: string; readonly durationMs: number }[];
}

/**
 * The file of the embedded store, owned by this process alone while open. A batch is one SQLite transaction in WAL mode with
 * `synchronous=FULL`: when `write` returns it is on stable storage (https://www.sqlite.org/wal.html#performance_considerations).
 */
export class StateFile {
  readonly path: string;
  readonly #directory: string;
  readonly #limitBytes: number;
  readonly #database: DatabaseSync;
  readonly #digest = new Digest();
  #oldest = 1;
  #statements: ReturnType<typeof prepare> | undefined;

  /** Opens or makes the file. LOCKED if another process has it, UNSUPPORTED if a newer version or something else wrote it. */
  constructor(options: { readonly directory: string; readonly limitBytes: number }) {
    this.#directory = options.directory;
    this.#limitBytes = options.limitBytes;
    this.path = join(options.directory, 'state.db');
    makeOwnFile(options.directory, this.path);
    checkWriteAheadLog(`${this.path}-wal`, this.path);
    this.#database = new DatabaseSync(this.path, { timeout: LOCK_WAIT_MS });
    try {
      this.#lock();
      this.#checkFormat();
    } catch (error) {
      this.#database.close();
      throw this.#explain(error);
    }
  }

  /** Reads and verifies everything. CORRUPT if anything does not match its checksum or is missing; the file is left as it is. */
  load(onChanges: (changes: ChangeColumns) => void): LoadedState {
    try {
      const check = this.#database.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
      // Several lines, of which the first only names the database.
      if (check.quick_check !== 'ok') throw this.#corrupt(`SQLite finds it damaged: ${check.quick_check.replace(/^\*\*\*.*\n/, '').replaceAll('\n', '; ')}`);
      this.#loadChanges(onChanges);
      const leases = this.#loadLeases();
      const oldest = this.#loadState();
      this.#oldest = oldest;
      this.#statements = prepare(this.#database);
      return { oldest, leases };
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Returns when the batch is durable. After a throw nothing may be written any more. */
  write(batch: JournalBatch): void {
    const statements = this.#statements as ReturnType<typeof prepare>;
    statements.begin.run();
    const { changes } = batch;
    for (let i = 0; i < changes.keys.length; i++) this.#insert(statements.insertChange, changes, i);
    for (const { id, durationMs } of batch.granted) {
      const checksum = leaseChecksum(id, durationMs);
      statements.insertLease.run(id, durationMs, checksum);
      this.#digest.add(checksum);
    }
    for (const id of batch.endedLeases) this.#drop(statements.deleteLease, id);
    for (const sequence of batch.dropped) this.#drop(statements.deleteChange, sequence);
    this.#oldest = batch.oldest ?? this.#oldest;
    statements.updateState.run(this.#oldest, this.#digest.rows, this.#digest.mix, stateChecksum(this.#oldest, this.#digest));
    statements.commit.run();
  }

  /** How much more can be written before the disk or the limit is full. */
  roomBytes(): number {
    const { bavail, bsize } = statfsSync(this.#directory);
    const { page_count: pages } = this.#database.prepare('PRAGMA page_count').get() as { page_count: number };
    const { freelist_count: unused } = this.#database.prepare('PRAGMA freelist_count').get() as { freelist_count: number };
    return Math.min(bavail * bsize, this.#limitBytes - (pages - unused) * PAGE_BYTES);
  }

  close(): void {
    this.#database.close();
  }

  #lock(): void {
    try {
      // SQLite then holds the kernel's lock on the file until the process ends, however it ends.
      this.#database.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;');
    } catch (error) {
      if (codeOf(error) === SQLITE_BUSY) throw this.#locked();
      throw error;
    }
  }

  #locked(): PlatformError {
    const owner = ownerOf(this.#directory);
    const who = owner ? `process ${owner.pid} has had it open since ${owner.since}` : 'another process has it open';
    return new PlatformError('LOCKED', `Cannot open the store in "${this.#directory}", because ${who}; stop that process first, or use another folder`, {
      directory: this.#directory,
      ...(owner ? { pid: owner.pid } : {}),
    });
  }

  #checkFormat(): void {
    const { user_version: version } = this.#database.prepare('PRAGMA user_version').get() as { user_version: number };
    const { application_id: application } = this.#database.prepare('PRAGMA application_id').get() as { application_id: number };
    const { tables } = this.#database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as { tables: number };
    const isNew = version === 0 && application === 0 && tables === 0;
    if (!isNew && application !== APPLICATION_ID) {
      throw new PlatformError('UNSUPPORTED', `Cannot open "${this.path}", because Haven did not write it; use another folder`, { path: this.path });
    }
    if (!isNew && version !== FORMAT_VERSION) {
      throw new PlatformError(
        'UNSUPPORTED',
        `Cannot open "${this.path}", because it has format ${version} and this Haven reads ${FORMAT_VERSION}; install the Haven that wrote it, or a newer one`,
        {
          path: this.path,
          format: version,
          readable: FORMAT_VERSION,
        },
      );
    }
    if (isNew) this.#database.exec(`PRAGMA page_size=${PAGE_BYTES}`);
    this.#database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA max_page_count=${Math.floor(this.#limitBytes / PAGE_BYTES)}`);
    if (isNew) this.#create();
    recordOwner(this.#directory);
  }

  #create(): void {
    this.#database.exec(`BEGIN; ${SCHEMA}; PRAGMA application_id=${APPLICATION_ID}; PRAGMA user_version=${FORMAT_VERSION};`);
    this.#database.prepare('INSERT INTO state VALUES (1, 1, 0, 0, ?)').run(stateChecksum(1, new Digest()));
    this.#database.exec('COMMIT');
    for (const directory of [this.#directory, dirname(this.#directory)]) syncDirectory(directory);
  }

  #loadChanges(onChanges: (changes: ChangeColumns) => void): void {
    let chunk = noChanges();
    const rows = this.#database.prepare('SELECT * FROM changes ORDER BY sequence').iterate() as IterableIterator<unknown>;
    for (const row of rows as IterableIterator<ChangeRow & { readonly checksum: number }>) {
      if (changeChecksum(row) !== row.checksum) {
        throw this.#corrupt(`the value of ${JSON.stringify(row.key)} at revision ${row.revision} does not match its checksum`, { key: row.key });
      }
      this.#digest.add(row.checksum);
      chunk.sequences.push(row.sequence);
      chunk.revisions.push(row.revision);
      chunk.keys.push(row.key);
      chunk.values.push(row.value);
      chunk.createRevisions.push(row.create_revision);
      chunk.versions.push(row.version);
      chunk.leases.push(row.lease);
      if (chunk.keys.length < LOAD_ROWS) continue;
      onChanges(chunk);
      chunk = noChanges();
    }
    onChanges(chunk);
  }

  #loadLeases(): LoadedState['leases'] {
    const rows = this.#database.prepare('SELECT id, duration_ms, checksum FROM leases').all() as unknown as {
      id: string;
      duration_ms: number;
      checksum: number;
    }[];
    for (const row of rows) {
      if (leaseChecksum(row.id, row.duration_ms) !== row.checksum) throw this.#corrupt(`lease ${JSON.stringify(row.id)} does not match its checksum`);
      this.#digest.add(row.checksum);
    }
    return rows.map((row) => ({ id: row.id, durationMs: row.duration_ms }));
  }

  #loadState(): number {
    const row = this.#database.prepare('SELECT oldest, rows, mix, checksum FROM state').get() as
      | { oldest: number; rows: number; mix: number; checksum: number }
      | undefined;
    if (!row || stateChecksum(row.oldest, row) !== row.checksum) throw this.#corrupt('its summary does not match its checksum');
    if (row.rows !== this.#digest.rows || row.mix !== this.#digest.mix) {
      throw this.#corrupt(`it holds ${this.#digest.rows} of ${row.rows} records`, { found: this.#digest.rows, expected: row.rows });
    }
    return row.oldest;
  }

  #insert(statement: StatementSync, changes: ChangeColumns, i: number): void {
    const row: ChangeRow = {
      sequence: changes.sequences[i] as number,
      revision: changes.revisions[i] as number,
      key: changes.keys[i] as string,
      value: changes.values[i] as string | null,
      create_revision: changes.createRevisions[i] as number,
      version: changes.versions[i] as number,
      lease: changes.leases[i] as string,
    };
    const checksum = changeChecksum(row);
    statement.run(row.sequence, row.revision, row.key, row.value, row.create_revision, row.version, row.lease, checksum);
    this.#digest.add(checksum);
  }

  #drop(statement: StatementSync, id: string | number): void {
    const row = statement.get(id) as { checksum: number } | undefined;
    if (row) this.#digest.remove(row.checksum);
  }

  #corrupt(fact: string, details: Readonly<Record<string, unknown>> = {}): PlatformError {
    return corrupt(this.path, fact, details);
  }

  /** SQLite's own findings in our words. */
  #explain(error: unknown): unknown {
    if (error instanceof PlatformError) return error;
    const code = codeOf(error);
    const isUnreadable = code === SQLITE_CORRUPT || code === SQLITE_NOTADB || (error instanceof Error && 'code' in error && error.code === 'ERR_OUT_OF_RANGE');
    // A change of the schema's own text shows as a plain error when the tables are read.
    if (isUnreadable || code === SQLITE_ERROR) return this.#corrupt(messageOf(error));
    return new PlatformError('UNAVAILABLE', `Cannot open "${this.path}": ${messageOf(error)}`, { path: this.path }, { cause: error });
  }
}

/** The error of a file that holds something other than what was written. */
export function corrupt(path: string, fact: string, details: Readonly<Record<string, unknown>> = {}): PlatformError {
  return new PlatformError(
    'CORRUPT',
    `Cannot open the store in "${path}", because ${fact}; nothing was overwritten. Restore the folder from a backup, or move it away to begin with an empty store`,
    { path, ...details },
  );
}

const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** A supervisor may start the next server while the last one still closes. */
const LOCK_WAIT_MS = 500;

/** SQLite's primary result code (https://www.sqlite.org/rescode.html), if SQLite threw it. */
function codeOf(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

function stateChecksum(oldest: number, digest: { readonly rows: number; readonly mix: number }): number {
  return crc32(`state ${oldest} ${digest.rows} ${digest.mix}`);
}

function prepare(database: DatabaseSync) {
  return {
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
    insertChange: database.prepare('INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    deleteChange: database.prepare('DELETE FROM changes WHERE sequence = ? RETURNING checksum'),
    insertLease: database.prepare('INSERT INTO leases VALUES (?, ?, ?)'),
    deleteLease: database.prepare('DELETE FROM leases WHERE id = ? RETURNING checksum'),
    updateState: database.prepare('UPDATE state SET oldest = ?, rows = ?, mix = ?, checksum = ? WHERE id = 1'),
  };
}

function makeOwnFile(directory: string, path: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  // Never opened here when it exists: closing any descriptor of the file would drop the lock that this process may hold on it.
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
