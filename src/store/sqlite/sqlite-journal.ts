import { Worker } from 'node:worker_threads';
import { formatSize } from '#base/bytes';
import { messageOf, PlatformError } from '#base/errors';
import type { Journal, JournalRecord } from '../journal.ts';
import type { Change, MvccImage } from '../mvcc.ts';
import type { KeyValue, LeaseId, Revision } from '../store.ts';
import { type ChangeColumns, type JournalBatch, type JournalReply, type JournalRequest, type JournalSettings, noChanges } from './journal-messages.ts';

interface Waiting {
  readonly record: JournalRecord;
  readonly resolve: () => void;
  readonly reject: (error: PlatformError) => void;
}

/**
 * A journal in a SQLite file, written by a thread of its own. J1 at most one batch is being written; whatever arrives meanwhile shares the
 * next commit. J2 waiters hear in the order of their calls. J3 after the first failure every waiter, now and later, gets that error.
 */
export class SqliteJournal implements Journal {
  readonly #worker: Worker;
  readonly #directory: string;
  readonly #reserveBytes: number;
  #pending: Waiting[] = [];
  #writing: Waiting[] | undefined;
  #isFlushPlanned = false;
  #roomBytes: number;
  #isMeasuring = false;
  #failure: PlatformError | undefined;
  #closing: PromiseWithResolvers<void> | undefined;

  /** Opens the folder's file and reads what it holds. LOCKED, CORRUPT or UNSUPPORTED when that cannot be. */
  static async open(settings: JournalSettings & { readonly reserveBytes: number }): Promise<{ readonly journal: SqliteJournal; readonly image: MvccImage }> {
    const workerData: JournalSettings = { directory: settings.directory, limitBytes: settings.limitBytes };
    // Options of this process such as `--input-type` are about its own main file.
    const worker = new Worker(threadUrl(), { workerData, execArgv: [] });
    const loaded: ChangeColumns[] = [];
    const opened = Promise.withResolvers<JournalReply & { readonly kind: 'opened' }>();
    const onMessage = (reply: JournalReply) => {
      if (reply.kind === 'changes') loaded.push(reply.changes);
      else if (reply.kind === 'opened') opened.resolve(reply);
      else if (reply.kind === 'failed') opened.reject(new PlatformError(reply.code, reply.message, reply.details));
    };
    worker.on('message', onMessage);
    worker.on('error', opened.reject);
    try {
      const { oldest, leases, roomBytes } = await opened.promise;
      const journal = new SqliteJournal(worker, { ...settings, roomBytes });
      const image = { oldest: oldest as Revision, changes: changesIn(loaded), leases: leases.map(({ id, durationMs }) => ({ id: id as LeaseId, durationMs })) };
      return { journal, image };
    } catch (error) {
      await worker.terminate();
      throw error;
    } finally {
      worker.off('message', onMessage);
      worker.off('error', opened.reject);
    }
  }

  private constructor(worker: Worker, options: { readonly directory: string; readonly reserveBytes: number; readonly roomBytes: number }) {
    this.#worker = worker;
    this.#directory = options.directory;
    this.#reserveBytes = options.reserveBytes;
    this.#roomBytes = options.roomBytes;
    worker.on('message', (reply: JournalReply) => this.#onReply(reply));
    worker.on('error', (error) =>
      this.#fail(new PlatformError('UNAVAILABLE', `The thread of the store in "${this.#directory}" ended: ${messageOf(error)}`, {}, { cause: error })),
    );
    worker.on('exit', () => this.#fail(new PlatformError('UNAVAILABLE', `The thread of the store in "${this.#directory}" has ended`)));
  }

  get refusal(): PlatformError | undefined {
    if (this.#roomBytes >= this.#reserveBytes) return undefined;
    this.#measure();
    const room = formatSize(Math.max(0, this.#roomBytes));
    return new PlatformError(
      'LIMIT',
      `Cannot put into the store in "${this.#directory}", because ${room} are free and ${formatSize(this.#reserveBytes)} are kept for deletions; delete something or free some space`,
      {
        directory: this.#directory,
        roomBytes: this.#roomBytes,
        reserveBytes: this.#reserveBytes,
      },
    );
  }

  append(record: JournalRecord): Promise<void> {
    const failure = this.#failure;
    if (failure) return Promise.reject(failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.push({ record, resolve, reject });
    // Everything asked in the same turn of the event loop goes together.
    if (!this.#writing && !this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      queueMicrotask(() => {
        this.#isFlushPlanned = false;
        this.#flush();
      });
    }
    return promise;
  }

  async close(): Promise<void> {
    const closing = Promise.withResolvers<void>();
    this.#closing = closing;
    const close = () => this.#send({ kind: 'close' });
    // A journal that failed has told everyone who waits; its thread only has to end.
    await this.append({}).then(close, closing.resolve);
    await closing.promise;
    await this.#worker.terminate();
  }

  #flush(): void {
    if (this.#writing || this.#pending.length === 0 || this.#failure) return;
    const waiting = this.#pending;
    this.#pending = [];
    const batch = batchOf(waiting);
    if (!batch) {
      for (const { resolve } of waiting) resolve();
      return;
    }
    this.#writing = waiting;
    this.#send({ kind: 'write', batch });
  }

  #onReply(reply: JournalReply): void {
    switch (reply.kind) {
      case 'written': {
        const done = this.#writing ?? [];
        this.#writing = undefined;
        this.#roomBytes = reply.roomBytes ?? this.#roomBytes;
        for (const { resolve } of done) resolve();
        this.#flush();
        break;
      }
      case 'measured':
        this.#isMeasuring = false;
        this.#roomBytes = reply.roomBytes;
        break;
      case 'closed':
        this.#closing?.resolve();
        break;
      case 'failed':
        this.#fail(new PlatformError(reply.code, reply.message, reply.details));
        break;
    }
  }

  #fail(error: PlatformError): void {
    if (this.#failure) return;
    this.#failure = error;
    const waiting = [...(this.#writing ?? []), ...this.#pending];
    this.#writing = undefined;
    this.#pending = [];
    for (const { reject } of waiting) reject(error);
    this.#closing?.resolve();
  }

  #measure(): void {
    if (this.#isMeasuring || this.#failure) return;
    this.#isMeasuring = true;
    this.#send({ kind: 'measure' });
  }

  #send(request: JournalRequest): void {
    this.#worker.postMessage(request);
  }
}

function threadUrl(): URL {
  // The thread's file has this file's own ending: `.ts` from the sources, `.js` from a build.
  return new URL(import.meta.url.endsWith('.ts') ? './journal-thread.ts' : './journal-thread.js', import.meta.url);
}

/** The records as one batch; `undefined` if there is nothing to write. */
function batchOf(waiting: readonly Waiting[]): JournalBatch | undefined {
  const batch: JournalBatch = { changes: noChanges(), granted: [], endedLeases: [], dropped: [], oldest: undefined };
  let isEmpty = true;
  for (const { record } of waiting) {
    for (const change of record.changes ?? []) addChange(batch.changes, change);
    if (record.granted) batch.granted.push(record.granted);
    if (record.endedLease !== undefined) batch.endedLeases.push(record.endedLease);
    if (record.compacted) {
      batch.oldest = record.compacted.oldest;
      for (const sequence of record.compacted.dropped) batch.dropped.push(sequence);
    }
    isEmpty &&= !(record.changes?.length || record.granted || record.endedLease !== undefined || record.compacted);
  }
  return isEmpty ? undefined : batch;
}

function addChange(columns: ChangeColumns, { sequence, revision, key, item }: Change): void {
  columns.sequences.push(sequence);
  columns.revisions.push(revision);
  columns.keys.push(key);
  columns.values.push(item ? item.value : null);
  columns.createRevisions.push(item?.createRevision ?? 0);
  columns.versions.push(item?.version ?? 0);
  columns.leases.push(item?.lease ?? '');
}

function* changesIn(chunks: readonly ChangeColumns[]): Generator<Change> {
  for (const chunk of chunks) {
    for (let i = 0; i < chunk.keys.length; i++) {
      const revision = chunk.revisions[i] as Revision;
      const key = chunk.keys[i] as string;
      yield { sequence: chunk.sequences[i] as number, revision, key, item: itemIn(chunk, i) };
    }
  }
}

function itemIn(chunk: ChangeColumns, i: number): KeyValue | undefined {
  const value = chunk.values[i];
  if (typeof value !== 'string') return undefined;
  const lease = chunk.leases[i] as LeaseId | '';
  return {
    key: chunk.keys[i] as string,
    value,
    createRevision: chunk.createRevisions[i] as Revision,
    modRevision: chunk.revisions[i] as Revision,
    version: chunk.versions[i] as number,
    ...(lease === '' ? {} : { lease }),
  };
}
