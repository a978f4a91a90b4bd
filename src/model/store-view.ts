/** The part of the store that agents, gateways, providers and the API's clients see: local for control, over the network for all others. */

export interface StoredItem {
  readonly key: string;
  /** JSON. */
  readonly value: string;
  readonly modRevision: number;
  readonly createRevision: number;
}

export type ViewEvent = { readonly kind: 'put'; readonly item: StoredItem } | { readonly kind: 'delete'; readonly key: string; readonly modRevision: number };

/** All changes of one revision under the prefix; without events: nothing changed there up to `revision`. */
export interface ViewBatch {
  readonly revision: number;
  readonly events: readonly ViewEvent[];
}

export type ViewWrite =
  /** `expected` is the modRevision the key must have: 0 = must not exist, undefined = any (only for keys with a single writer). */
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly expected?: number; readonly lease?: string }
  | { readonly kind: 'delete'; readonly key: string; readonly expected?: number };

/** Errors as in the store: CONFLICT (an `expected` did not hold; nothing was written), COMPACTED, LIMIT, LEASE_LOST, DENIED, UNAVAILABLE, TIMEOUT. */
export interface StoreView {
  list(prefix: string, options?: { readonly signal?: AbortSignal }): Promise<{ readonly items: readonly StoredItem[]; readonly revision: number }>;
  /** Registered when called. Ends when the signal aborts; throws when the link breaks or has been silent for too long. */
  watch(prefix: string, options: { readonly fromRevision: number; readonly signal: AbortSignal }): AsyncIterable<ViewBatch>;
  /** All or nothing. Resolves to the revision of the change once it is durable. */
  write(writes: readonly ViewWrite[], options?: { readonly signal?: AbortSignal }): Promise<number>;
  grantLease(durationMs: number, options?: { readonly signal?: AbortSignal }): Promise<string>;
  keepLease(lease: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
  revokeLease(lease: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
}
