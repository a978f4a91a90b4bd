import { PlatformError } from '#base/errors';
import type { Instant } from '#world/world';
import { checkRange, compareKeys } from './key-order.ts';
import { LeaseTable } from './lease-table.ts';
import { OrderedMap } from './ordered-map.ts';
import type { KeyRange, KeyValue, LeaseId, Operation, OperationResult, Revision, Transaction, TransactionResult } from './store.ts';
import { checkTransaction, holds } from './transaction-rules.ts';

/** One key's change in one revision. */
export interface Change {
  /** Counts changes since the store began; finds the change in a journal. */
  readonly sequence: number;
  readonly revision: Revision;
  readonly key: string;
  /** `undefined`: the key was deleted. */
  readonly item: KeyValue | undefined;
}

/** All changes of one revision. */
export interface Commit {
  readonly revision: Revision;
  readonly at: Instant;
  readonly changes: readonly Change[];
}

/** What a restart needs: changes in order of `sequence`, those before `oldest` only where they are still visible there. */
export interface MvccImage {
  readonly oldest: Revision;
  readonly changes: Iterable<Change>;
  readonly leases: Iterable<{ readonly id: LeaseId; readonly durationMs: number }>;
}

/** How much history is kept: as long as either of the first two asks for it, unless it outgrows the third. */
export interface HistoryLimits {
  readonly keepMs: number;
  readonly keepRevisions: number;
  readonly maxBytes: number;
}

export const HISTORY_LIMITS: HistoryLimits = { keepMs: 3_600_000, keepRevisions: 10_000, maxBytes: 256 * 2 ** 20 };

interface KeyHistory {
  readonly key: string;
  /** By revision, oldest first, never empty. */
  readonly versions: Change[];
}

/**
 * The state machine behind a store: a pure function of the calls made to it, with the time of each passed in. Invariants:
 * M1 the log holds every revision from `max(oldest, 2)` to `revision`, without a gap;
 * M2 a key's versions are those at or after `oldest` and the one visible at `oldest`;
 * M3 a call that throws has changed nothing.
 */
export class Mvcc {
  readonly #keys = new OrderedMap<KeyHistory>();
  readonly leases = new LeaseTable();
  readonly #log: Commit[] = [];
  #revision = 1;
  #oldest = 1;
  #sequence = 0;
  #liveKeys = 0;
  #historyBytes = 0;

  /** The state in `image`; every lease begins its whole duration again. CORRUPT if a change is missing. */
  static restore(image: MvccImage, now: Instant): Mvcc {
    const mvcc = new Mvcc();
    for (const { id, durationMs } of image.leases) mvcc.leases.grant(id, { durationMs, now });
    mvcc.#oldest = image.oldest;
    mvcc.#revision = Math.max(1, image.oldest - 1);
    let open: Change[] = [];
    for (const change of image.changes) {
      if (change.sequence <= mvcc.#sequence || (change.revision > image.oldest && change.sequence !== mvcc.#sequence + 1)) {
        throw new PlatformError('CORRUPT', `Change ${change.sequence} follows change ${mvcc.#sequence}`, { sequence: change.sequence });
      }
      mvcc.#sequence = change.sequence;
      mvcc.#record(change);
      if (change.revision < image.oldest) continue;
      if (change.revision !== mvcc.#revision) {
        if (open.length > 0) mvcc.#append({ revision: mvcc.#revision as Revision, at: now, changes: open });
        if (change.revision !== mvcc.#revision + 1) {
          throw new PlatformError('CORRUPT', `Revision ${change.revision} follows revision ${mvcc.#revision}`, { revision: change.revision });
        }
        mvcc.#revision = change.revision;
        open = [];
      }
      open.push(change);
    }
    if (open.length > 0) mvcc.#append({ revision: mvcc.#revision as Revision, at: now, changes: open });
    if (mvcc.#revision < image.oldest) throw new PlatformError('CORRUPT', `Revision ${image.oldest} is missing`, { revision: image.oldest });
    return mvcc;
  }

  get revision(): Revision {
    return this.#revision as Revision;
  }

  /** The oldest revision that can be read or watched from. */
  get oldest(): Revision {
    return this.#oldest as Revision;
  }

  get keyCount(): number {
    return this.#liveKeys;
  }

  /** Runs the transaction; `commit` is what it changed, `undefined` if nothing. */
  transact(transaction: Transaction, now: Instant): { readonly result: TransactionResult; readonly commit: Commit | undefined } {
    checkTransaction(transaction);
    const succeeded = transaction.compare.every((compare) => holds(compare, this.#latest(compare.key)));
    const operations = succeeded ? transaction.then : (transaction.else ?? []);
    for (const operation of operations) {
      if (operation.kind !== 'put' || operation.lease === undefined || this.leases.has(operation.lease)) continue;
      throw new PlatformError('NOT_FOUND', `Cannot put "${operation.key}" under lease "${operation.lease}", because there is no such lease`, {
        key: operation.key,
        lease: operation.lease,
      });
    }
    const changes: Change[] = [];
    const results = operations.map((operation) => this.#perform(operation, changes));
    const commit = this.#commit(changes, now);
    return { result: { succeeded, revision: this.revision, results }, commit };
  }

  /** Ends the lease, deleting its keys in one revision. */
  endLease(id: LeaseId, now: Instant): Commit | undefined {
    const keys = [...(this.leases.remove(id) ?? [])].sort(compareKeys);
    const changes: Change[] = [];
    for (const key of keys) this.#write(changes, key, undefined);
    return this.#commit(changes, now);
  }

  /** The key's item at the revision. */
  get(key: string, revision: Revision): KeyValue | undefined {
    checkRange({ key });
    this.#checkReadable(revision);
    const history = this.#keys.get(key);
    return history && visibleAt(history, revision)?.item;
  }

  /** Items of the range at the revision, in key order; `count` is of all of them whatever the limit. */
  list(
    range: KeyRange,
    options: { readonly revision: Revision; readonly limit?: number | undefined },
  ): { readonly items: readonly KeyValue[]; readonly count: number } {
    checkRange(range);
    this.#checkReadable(options.revision);
    return this.#collect(range, options);
  }

  /** The commit that made the revision, from `oldest` on. */
  commitAt(revision: number): Commit | undefined {
    return this.#log[revision - Math.max(2, this.#oldest)];
  }

  /** What the key held before the change; `undefined` also if that is no longer known. */
  previousOf(change: Change): KeyValue | undefined {
    const history = this.#keys.get(change.key);
    return history && visibleAt(history, change.revision - 1)?.item;
  }

  /** Discards what no read at or after `revision` can see. Returns the sequences of the discarded changes. */
  compact(revision: Revision): readonly number[] {
    if (revision <= this.#oldest) throw compacted(revision, this.oldest);
    if (revision > this.#revision) throw future(revision, this.revision);
    const dropped: number[] = [];
    const first = Math.max(2, this.#oldest);
    for (const commit of this.#log.slice(0, revision - first + 1)) {
      for (const { key } of commit.changes) this.#trim(key, revision, dropped);
    }
    for (const commit of this.#log.splice(0, revision - first)) this.#historyBytes -= sizeOf(commit);
    this.#oldest = revision;
    return dropped;
  }

  /** How far history should be discarded now, at most to `until`, in steps that take a few milliseconds; `undefined` if not at all. */
  compactionDue(limits: HistoryLimits, options: { readonly now: Instant; readonly until: Revision }): Revision | undefined {
    let target = this.#oldest;
    let bytes = this.#historyBytes;
    const last = Math.min(options.until, this.#oldest + COMPACTION_STEP);
    for (let revision = Math.max(2, this.#oldest); revision < last; revision++) {
      const commit = this.commitAt(revision) as Commit;
      const isAsked = revision >= this.#revision - limits.keepRevisions || commit.at > options.now - limits.keepMs;
      if (isAsked && bytes <= limits.maxBytes) break;
      bytes -= sizeOf(commit);
      target = revision + 1;
    }
    return target > this.#oldest ? (target as Revision) : undefined;
  }

  #latest(key: string): KeyValue | undefined {
    return this.#keys.get(key)?.versions.at(-1)?.item;
  }

  #perform(operation: Operation, changes: Change[]): OperationResult {
    switch (operation.kind) {
      case 'put':
        this.#write(changes, operation.key, operation);
        return { kind: 'put' };
      case 'delete': {
        const keys: string[] = [];
        this.#keys.forEach(operation.range, ({ key, versions }) => {
          if (versions.at(-1)?.item) keys.push(key);
        });
        for (const key of keys) this.#write(changes, key, undefined);
        return { kind: 'delete', deleted: keys.length };
      }
      case 'read':
        return { kind: 'read', ...this.#collect(operation.range, { revision: (this.#revision + 1) as Revision, limit: operation.limit }) };
    }
  }

  #write(changes: Change[], key: string, put: { readonly value: string; readonly lease?: LeaseId } | undefined): void {
    const revision = (this.#revision + 1) as Revision;
    const before = this.#latest(key);
    const item = put && {
      key,
      value: put.value,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: (before?.version ?? 0) + 1,
      ...(put.lease === undefined ? {} : { lease: put.lease }),
    };
    this.#sequence++;
    const change = { sequence: this.#sequence, revision, key, item };
    this.#record(change);
    changes.push(change);
  }

  #record(change: Change): void {
    const history = this.#keys.get(change.key);
    const before = history?.versions.at(-1)?.item;
    if (history) history.versions.push(change);
    else this.#keys.add({ key: change.key, versions: [change] });
    this.#liveKeys += (change.item ? 1 : 0) - (before ? 1 : 0);
    if (before?.lease === change.item?.lease) return;
    if (before?.lease !== undefined) this.leases.detach(before.lease, change.key);
    if (change.item?.lease !== undefined) this.leases.attach(change.item.lease, change.key);
  }

  #commit(changes: readonly Change[], now: Instant): Commit | undefined {
    if (changes.length === 0) return undefined;
    this.#revision++;
    const commit = { revision: this.revision, at: now, changes };
    this.#append(commit);
    return commit;
  }

  #append(commit: Commit): void {
    this.#log.push(commit);
    this.#historyBytes += sizeOf(commit);
  }

  #collect(
    range: KeyRange,
    options: { readonly revision: Revision; readonly limit?: number | undefined },
  ): { readonly items: readonly KeyValue[]; readonly count: number } {
    const items: KeyValue[] = [];
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    let count = 0;
    this.#keys.forEach(range, (history) => {
      const item = visibleAt(history, options.revision)?.item;
      if (!item) return;
      count++;
      if (count <= limit) items.push(item);
    });
    return { items, count };
  }

  #checkReadable(revision: Revision): void {
    if (revision < this.#oldest) throw compacted(revision, this.oldest);
    if (revision > this.#revision) throw future(revision, this.revision);
  }

  #trim(key: string, revision: Revision, dropped: number[]): void {
    const history = this.#keys.get(key);
    if (!history) return;
    const { versions } = history;
    let keep = 0;
    while (keep + 1 < versions.length && (versions[keep + 1] as Change).revision <= revision) keep++;
    const base = versions[keep] as Change;
    // A deletion in `revision` itself stays for those who watch from there.
    if (!base.item && base.revision < revision) keep++;
    for (const change of versions.splice(0, keep)) dropped.push(change.sequence);
    if (versions.length === 0) this.#keys.remove(key);
  }
}

/** At most so many revisions are discarded at once, so that nobody waits for it. */
const COMPACTION_STEP = 2_000;

/** What a kept change costs besides its text. */
const CHANGE_OVERHEAD_BYTES = 200;

function sizeOf(commit: Commit): number {
  let size = 0;
  for (const { key, item } of commit.changes) size += key.length + (item?.value.length ?? 0) + CHANGE_OVERHEAD_BYTES;
  return size;
}

function visibleAt(history: KeyHistory, revision: number): Change | undefined {
  // Most reads want the latest or one just before it.
  for (let i = history.versions.length - 1, steps = 0; i >= 0 && steps < 8; i--, steps++) {
    const change = history.versions[i] as Change;
    if (change.revision <= revision) return change;
  }
  let low = 0;
  let high = history.versions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((history.versions[middle] as Change).revision <= revision) low = middle + 1;
    else high = middle;
  }
  return history.versions[low - 1];
}

/** The error of a revision that has been discarded. */
export function compacted(revision: number, oldest: Revision): PlatformError {
  return new PlatformError('COMPACTED', `Cannot go back to revision ${revision}, because history begins at ${oldest}`, { revision, oldest });
}

/** The error of a revision that does not exist yet. */
export function future(revision: number, current: Revision): PlatformError {
  return new PlatformError('FUTURE_REVISION', `Cannot read revision ${revision}, because the store is at ${current}`, { revision, current });
}
