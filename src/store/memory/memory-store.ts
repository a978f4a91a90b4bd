import { messageOf, PlatformError } from '#base/errors';
import { unlessAborted } from '#base/signal';
import type { Clock, Instant, Random } from '#world/world';
import type { Journal, JournalRecord } from '../journal.ts';
import { future, HISTORY_LIMITS, type HistoryLimits, Mvcc } from '../mvcc.ts';
import type {
  KeyRange,
  KeyValue,
  LeaseId,
  LeaseStatus,
  ListResult,
  Revision,
  Store,
  StoreStatus,
  Transaction,
  TransactionResult,
  WatchBatch,
} from '../store.ts';
import { WatchHub, type WatchOptions } from '../watch-hub.ts';

export interface MemoryStoreOptions {
  readonly history?: HistoryLimits;
  /** The state to begin with: empty by default. The store owns it from here on. */
  readonly state?: Mvcc;
  /** Makes what is answered durable: nothing is, by default. The store closes it. */
  readonly journal?: Journal;
}

/**
 * The store in this process's memory; with a journal, the embedded store. Invariants:
 * S1 transactions take effect in the order of the calls; S2 no answer, read or watch event shows a revision that is not durable;
 * S3 after the journal has failed nothing is written, and reads go on at the last durable revision.
 */
export class MemoryStore implements Store, AsyncDisposable {
  readonly #world: { readonly clock: Clock; readonly random: Random };
  readonly #mvcc: Mvcc;
  readonly #hub: WatchHub;
  readonly #history: HistoryLimits;
  readonly #journal: Journal | undefined;
  #failure: PlatformError | undefined;
  #isClosed = false;
  #leaseTimer: { readonly at: Instant; readonly timer: Disposable } | undefined;
  #historyCheckedAt = 0;

  constructor(world: { readonly clock: Clock; readonly random: Random }, options: MemoryStoreOptions = {}) {
    this.#world = world;
    this.#mvcc = options.state ?? new Mvcc();
    this.#hub = new WatchHub(this.#mvcc);
    this.#history = options.history ?? HISTORY_LIMITS;
    this.#journal = options.journal;
    this.#armLeaseTimer();
  }

  async get(key: string, options: { readonly revision?: Revision; readonly signal?: AbortSignal } = {}): Promise<KeyValue | undefined> {
    this.#checkOpen(options.signal);
    return this.#mvcc.get(key, this.#readable(options.revision));
  }

  async list(range: KeyRange, options: { readonly revision?: Revision; readonly limit?: number; readonly signal?: AbortSignal } = {}): Promise<ListResult> {
    this.#checkOpen(options.signal);
    const { items, count } = this.#mvcc.list(range, { revision: this.#readable(options.revision), limit: options.limit });
    return { items, count, revision: this.#hub.published };
  }

  async transact(transaction: Transaction, options: { readonly signal?: AbortSignal } = {}): Promise<TransactionResult> {
    this.#checkWritable(options.signal);
    const refusal = this.#journal?.refusal;
    if (refusal && mayPut(transaction)) throw refusal;
    const { result, commit } = this.#mvcc.transact(transaction, this.#world.clock.now());
    if (commit || result.revision > this.#hub.published) await unlessAborted(this.#settle(commit ? { changes: commit.changes } : {}), options.signal);
    return result;
  }

  watch(range: KeyRange, options: WatchOptions): AsyncIterable<WatchBatch> {
    this.#checkOpen(undefined);
    return this.#hub.watch(range, options);
  }

  async grantLease(durationMs: number): Promise<LeaseStatus> {
    this.#checkWritable(undefined);
    const id = Array.from(this.#world.random.bytes(8), (byte) => byte.toString(16).padStart(2, '0')).join('') as LeaseId;
    const status = this.#mvcc.leases.grant(id, { durationMs, now: this.#world.clock.now() });
    this.#armLeaseTimer();
    await this.#settle({ granted: { id, durationMs } });
    return status;
  }

  async keepLease(id: LeaseId): Promise<LeaseStatus> {
    this.#checkWritable(undefined);
    return this.#mvcc.leases.keep(id, this.#world.clock.now());
  }

  async revokeLease(id: LeaseId): Promise<void> {
    this.#checkWritable(undefined);
    // An end that is not durable yet is waited for, too.
    await this.#settle(this.#mvcc.leases.has(id) ? this.#endLease(id) : {});
  }

  async leaseStatus(id: LeaseId): Promise<LeaseStatus | undefined> {
    this.#checkOpen(undefined);
    return this.#mvcc.leases.status(id, this.#world.clock.now());
  }

  async compact(revision: Revision): Promise<void> {
    this.#checkWritable(undefined);
    this.#readable(revision);
    await this.#settle(this.#compact(revision));
  }

  async status(): Promise<StoreStatus> {
    this.#checkOpen(undefined);
    const failure = this.#failure && { failure: messageOf(this.#failure) };
    return { revision: this.#hub.published, oldest: this.#mvcc.oldest, keys: this.#mvcc.keyCount, ...failure };
  }

  /** Waits until what was asked before is durable, ends the watchers and closes the journal. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#leaseTimer?.timer[Symbol.dispose]();
    this.#leaseTimer = undefined;
    await this.#journal?.close();
    this.#hub.end(closed());
  }

  /** Resolves when the record is durable; then, and not before, watchers hear of it. */
  async #settle(record: JournalRecord): Promise<void> {
    const { revision } = this.#mvcc;
    if (this.#journal) {
      try {
        await this.#journal.append(record);
      } catch (error) {
        this.#failure ??= error instanceof PlatformError ? error : new PlatformError('UNAVAILABLE', messageOf(error), {}, { cause: error });
        throw this.#failure;
      }
    }
    this.#hub.publish(revision);
    if (revision - this.#historyCheckedAt >= HISTORY_CHECK_REVISIONS) this.#trimHistory();
  }

  /** For what nobody waits for: every later write tells the journal's failure. */
  #settleAlone(record: JournalRecord): void {
    this.#settle(record).catch((error: unknown) => {
      if (error !== this.#failure) throw error;
    });
  }

  #trimHistory(): void {
    const { published } = this.#hub;
    this.#historyCheckedAt = published;
    const revision = this.#mvcc.compactionDue(this.#history, { now: this.#world.clock.now(), until: published });
    if (revision !== undefined && !this.#failure) this.#settleAlone(this.#compact(revision));
  }

  #compact(revision: Revision): JournalRecord {
    const dropped = this.#mvcc.compact(revision);
    return { compacted: { oldest: revision, dropped } };
  }

  #endLease(id: LeaseId): JournalRecord {
    const commit = this.#mvcc.endLease(id, this.#world.clock.now());
    return { endedLease: id, changes: commit?.changes ?? [] };
  }

  #armLeaseTimer(): void {
    const next = this.#mvcc.leases.nextExpiry();
    if (next === undefined || (this.#leaseTimer && this.#leaseTimer.at <= next)) return;
    this.#leaseTimer?.timer[Symbol.dispose]();
    const { clock } = this.#world;
    const now = clock.now();
    const at = Math.min(next, now + MAX_TIMER_MS) as Instant;
    this.#leaseTimer = { at, timer: clock.after(Math.max(0, at - now), () => this.#expireLeases(at)) };
  }

  #expireLeases(plannedAt: Instant): void {
    this.#leaseTimer = undefined;
    if (this.#isClosed || this.#failure) return;
    const now = this.#world.clock.now();
    const lateMs = now - plannedAt;
    // This process was stopped or stalled: renewals may wait unread in its sockets, so the holders get as long again.
    if (lateMs > STALL_MS) this.#mvcc.leases.extend(lateMs, now);
    for (const id of this.#mvcc.leases.due(now)) this.#settleAlone(this.#endLease(id));
    this.#armLeaseTimer();
  }

  #readable(revision: Revision | undefined): Revision {
    const { published } = this.#hub;
    if (revision === undefined) return published;
    if (revision > published) throw future(revision, published);
    return revision;
  }

  #checkOpen(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#isClosed) throw closed();
  }

  #checkWritable(signal: AbortSignal | undefined): void {
    this.#checkOpen(signal);
    if (this.#failure) throw this.#failure;
  }
}

/** How often, in revisions, the store looks for history to discard. */
const HISTORY_CHECK_REVISIONS = 256;

/** A lease timer later than this means that the process did not run. */
const STALL_MS = 500;

/** Timers of the platform overflow at 24.8 days; a longer wait is cut in parts. */
const MAX_TIMER_MS = 3_600_000;

function mayPut(transaction: Transaction): boolean {
  return [...transaction.then, ...(transaction.else ?? [])].some((operation) => operation.kind === 'put');
}

function closed(): PlatformError {
  return new PlatformError('UNAVAILABLE', 'Cannot use the store, because it is closed');
}
