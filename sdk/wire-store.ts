import type { ErrorBody } from './wire.ts';

// The store, for agents, gateways and `watch`

export interface StoreItem {
  readonly key: string;
  /** JSON. */
  readonly value: string;
  readonly modRevision: number;
  readonly createRevision: number;
}

/** GET /v1/store/list?prefix= */
export interface StoreListView {
  readonly items: readonly StoreItem[];
  readonly revision: number;
}

export type StoreEvent = { readonly kind: 'put'; readonly item: StoreItem } | { readonly kind: 'delete'; readonly key: string; readonly modRevision: number };

/** One line of GET /v1/store/watch?prefix=&from=: a revision's changes, a sign of life, or why it ended. */
export type StoreWatchLine = { readonly revision: number; readonly events: readonly StoreEvent[] } | { readonly heartbeat: true } | ErrorBody;

export type StoreWrite =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly expected?: number; readonly lease?: string }
  | { readonly kind: 'delete'; readonly key: string; readonly expected?: number };

/** POST /v1/store/write */
export interface StoreWriteRequest {
  readonly writes: readonly StoreWrite[];
}

export interface StoreWriteView {
  readonly revision: number;
}

/** POST /v1/store/leases; then POST /v1/store/leases/LEASE/keep and DELETE /v1/store/leases/LEASE. */
export interface LeaseRequest {
  readonly durationMs: number;
}

export interface LeaseView {
  readonly lease: string;
}
