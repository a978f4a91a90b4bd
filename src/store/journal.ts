import type { PlatformError } from '#base/errors';
import type { Change } from './mvcc.ts';
import type { LeaseId, Revision } from './store.ts';

/** What must be on stable storage before somebody may hear of it. All of one record becomes durable together. */
export interface JournalRecord {
  readonly changes?: readonly Change[];
  readonly granted?: { readonly id: LeaseId; readonly durationMs: number };
  readonly endedLease?: LeaseId;
  readonly compacted?: { readonly oldest: Revision; readonly dropped: readonly number[] };
}

/** Makes records durable in the order of the calls. */
export interface Journal {
  /**
   * Resolves when the record and all before it are durable; an empty record waits for those before it. Rejects with UNAVAILABLE if that
   * failed, and from then on always: nothing after a failed write may be trusted.
   */
  append(record: JournalRecord): Promise<void>;
  /** Why puts are refused for now (LIMIT: too little room), while deletions and compaction go on. */
  readonly refusal: PlatformError | undefined;
  close(): Promise<void>;
}
