/**
 * The cluster's memory: keys in byte order, one cluster-wide revision, transactions, leases and gapless watches, with the semantics of etcd v3
 * (https://etcd.io/docs/v3.5/learning/api/). Keys and values are UTF-8 text here; implementations order keys by their UTF-8 bytes.
 * One conformance suite (`store/conformance`) runs on every implementation.
 */
import type { Brand } from '#base/brand';

/** Counts changes of the whole store: +1 for each transaction that changes something. The first is 2; 1 is the empty store. 0 means "never". */
export type Revision = Brand<number, 'Revision'>;

export type LeaseId = Brand<string, 'LeaseId'>;

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  /** 1 at creation, +1 at each put. */
  readonly version: number;
  /** The lease whose end deletes the key. */
  readonly lease?: LeaseId;
}

/** A range of keys: one key, all with a prefix, or [from, before). The empty prefix is every key. */
export type KeyRange = { readonly key: string } | { readonly prefix: string } | { readonly from: string; readonly before: string };

/**
 * One condition of a transaction. A missing key has version, createRevision, modRevision 0 and no lease (''), so `modRevision = 0` means "does
 * not exist"; a comparison of the value of a missing key is false, even `!=`.
 */
export type Compare =
  | { readonly key: string; readonly target: 'version' | 'createRevision' | 'modRevision'; readonly is: '=' | '!=' | '<' | '>'; readonly to: number }
  | { readonly key: string; readonly target: 'value' | 'lease'; readonly is: '=' | '!=' | '<' | '>'; readonly to: string };

export type Operation =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: LeaseId }
  | { readonly kind: 'delete'; readonly range: KeyRange }
  | { readonly kind: 'read'; readonly range: KeyRange; readonly limit?: number };

export type OperationResult =
  | { readonly kind: 'put' }
  | { readonly kind: 'delete'; readonly deleted: number }
  | { readonly kind: 'read'; readonly items: readonly KeyValue[]; readonly count: number };

export interface Transaction {
  /** All must hold. */
  readonly compare: readonly Compare[];
  readonly then: readonly Operation[];
  readonly else?: readonly Operation[];
}

export interface TransactionResult {
  readonly succeeded: boolean;
  /** The store's revision after it. */
  readonly revision: Revision;
  readonly results: readonly OperationResult[];
}

export interface ListResult {
  readonly items: readonly KeyValue[];
  /** Keys in the range, whatever the limit. */
  readonly count: number;
  /** The store's revision when it was read. */
  readonly revision: Revision;
}

export type WatchEvent =
  | { readonly kind: 'put'; readonly item: KeyValue; readonly previous?: KeyValue }
  | { readonly kind: 'delete'; readonly key: string; readonly modRevision: Revision; readonly previous?: KeyValue };

/** All events of one revision in the range, never split. A batch without events is a bookmark: everything up to `revision` has been delivered. */
export interface WatchBatch {
  readonly revision: Revision;
  readonly events: readonly WatchEvent[];
}

export interface LeaseStatus {
  readonly id: LeaseId;
  readonly durationMs: number;
  /** How much is left; never more than `durationMs`. */
  readonly remainingMs: number;
}

/** Limits of a request, in every implementation. */
export const MAX_OPERATIONS = 128;
export const MAX_REQUEST_BYTES = 1.5 * 1024 * 1024;
/** A watcher with more undelivered revisions than this is ended with LIMIT and must list again. */
export const MAX_WATCH_BACKLOG = 10_000;

/**
 * Errors by code: COMPACTED (details: `oldest`, the oldest revision still readable) and FUTURE_REVISION for reads and watches at a revision;
 * INVALID for an empty key, two writes of one key in a transaction or more than MAX_OPERATIONS; TOO_LARGE; NOT_FOUND for an unknown lease; UNAVAILABLE when
 * the outcome of a write is unknown.
 */
export interface Store {
  get(key: string, options?: { readonly revision?: Revision; readonly signal?: AbortSignal }): Promise<KeyValue | undefined>;
  /** Items in key order. */
  list(range: KeyRange, options?: { readonly revision?: Revision; readonly limit?: number; readonly signal?: AbortSignal }): Promise<ListResult>;
  /** When it resolves, the change is durable. */
  transact(transaction: Transaction, options?: { readonly signal?: AbortSignal }): Promise<TransactionResult>;
  /**
   * Changes in the range from `fromRevision` on (default: after the call). Registered when called, not at the first `next()`. Ends when the signal aborts.
   * Throws COMPACTED if `fromRevision` is gone, LIMIT if the reader is too slow.
   */
  watch(range: KeyRange, options: { readonly fromRevision?: Revision; readonly previous?: boolean; readonly signal: AbortSignal }): AsyncIterable<WatchBatch>;
  /** A new lease, or LIMIT; `durationMs` is a lower bound of its life without renewal. */
  grantLease(durationMs: number): Promise<LeaseStatus>;
  /** Starts the lease's time again. LEASE_LOST if it has ended. */
  keepLease(id: LeaseId): Promise<LeaseStatus>;
  /** Ends the lease and deletes its keys in one revision. No such lease is fine. */
  revokeLease(id: LeaseId): Promise<void>;
  leaseStatus(id: LeaseId): Promise<LeaseStatus | undefined>;
  /** Discards history before `revision`; that revision itself stays readable. */
  compact(revision: Revision): Promise<void>;
  status(): Promise<StoreStatus>;
}

export interface StoreStatus {
  readonly revision: Revision;
  /** The oldest revision still readable. */
  readonly oldest: Revision;
  readonly keys: number;
  /** Why nothing can be written any more, although reads go on; the process should end. */
  readonly failure?: string;
}
