import type { Instant } from '#world/world';
import type { Journal, JournalRecord } from '../journal.ts';
import { type Change, Mvcc } from '../mvcc.ts';
import type { LeaseId, Revision } from '../store.ts';

/** A journal in memory that makes records durable when told, and can be told to fail: for tests of what is shown before and after. */
export class HeldJournal implements Journal {
  refusal = undefined;
  readonly #waiting: { readonly record: JournalRecord; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  readonly #changes = new Map<number, Change>();
  readonly #leases = new Map<LeaseId, number>();
  #oldest = 1 as Revision;
  #failure: unknown;

  append(record: JournalRecord): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ record, resolve, reject });
    return promise;
  }

  /** Makes the first `count` waiting records durable; returns the newest revision among them, 0 if none has one. */
  flush(count = Number.POSITIVE_INFINITY): number {
    let newest = 0;
    for (const { record, resolve } of this.#waiting.splice(0, count)) {
      for (const change of record.changes ?? []) this.#changes.set(change.sequence, change);
      if (record.granted) this.#leases.set(record.granted.id, record.granted.durationMs);
      if (record.endedLease !== undefined) this.#leases.delete(record.endedLease);
      for (const sequence of record.compacted?.dropped ?? []) this.#changes.delete(sequence);
      this.#oldest = record.compacted?.oldest ?? this.#oldest;
      newest = record.changes?.at(-1)?.revision ?? newest;
      resolve();
    }
    return newest;
  }

  fail(error: unknown): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** The state a restart would find. */
  restore(now: Instant): Mvcc {
    const changes = [...this.#changes.values()].sort((a, b) => a.sequence - b.sequence);
    return Mvcc.restore({ oldest: this.#oldest, changes, leases: Array.from(this.#leases, ([id, durationMs]) => ({ id, durationMs })) }, now);
  }

  async close(): Promise<void> {
    if (this.#failure === undefined) this.flush();
  }
}
