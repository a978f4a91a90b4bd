import { HavenError } from './haven-error.ts';
import type { Transport } from './transport.ts';
import type { StoreItem, StoreListView, StoreWatchLine } from './wire-store.ts';

const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 5_000;

/** An object with its key and the revision of its last change. */
export interface Watched<Value> {
  readonly key: string;
  readonly value: Value;
  readonly modRevision: number;
}

/** `resync`: forget what you know, these are all objects. `put` and `delete`: one change. */
export type WatchItem<Value> =
  | { readonly kind: 'resync'; readonly revision: number; readonly items: readonly Watched<Value>[] }
  | ({ readonly kind: 'put'; readonly revision: number } & Watched<Value>)
  | { readonly kind: 'delete'; readonly revision: number; readonly key: string };

/**
 * Follows everything below a prefix until the signal aborts. No change is lost or sent twice: after a break it goes on at the revision behind the
 * last one delivered. Only what asking again cannot mend is thrown: INVALID, DENIED, UNAUTHENTICATED.
 */
export async function* watchStore<Value>(
  transport: Transport,
  prefix: string,
  options: { readonly signal?: AbortSignal },
): AsyncGenerator<WatchItem<Value>, void, undefined> {
  const { signal } = options;
  let revision: number | undefined;
  let retryMs = FIRST_RETRY_MS;
  while (!signal?.aborted) {
    try {
      if (revision === undefined) {
        const list: StoreListView = await transport.call({ method: 'GET', path: `/v1/store/list?prefix=${encodeURIComponent(prefix)}` }, options);
        revision = list.revision;
        yield { kind: 'resync', revision, items: list.items.map((item) => watched<Value>(item)) };
      }
      const path = `/v1/store/watch?prefix=${encodeURIComponent(prefix)}&from=${revision + 1}`;
      for await (const line of transport.lines<StoreWatchLine>({ method: 'GET', path }, options)) {
        retryMs = FIRST_RETRY_MS;
        if (!('events' in line) || line.revision <= revision) continue;
        for (const event of line.events) {
          if (event.kind === 'put') yield { kind: 'put', revision: line.revision, ...watched<Value>(event.item) };
          else yield { kind: 'delete', revision: line.revision, key: event.key };
        }
        revision = line.revision;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (!(error instanceof HavenError) || isFinal(error)) throw error;
      // History is gone, we read too slowly, or the store was restored from an older copy: only everything again tells what is there.
      if (error.code === 'COMPACTED' || error.code === 'LIMIT' || error.code === 'FUTURE_REVISION') revision = undefined;
    }
    if (signal?.aborted) return;
    await rest(retryMs * (0.5 + Math.random()), signal);
    retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
  }
}

function watched<Value>({ key, value, modRevision }: StoreItem): Watched<Value> {
  return { key, value: JSON.parse(value) as Value, modRevision };
}

function isFinal({ code }: HavenError): boolean {
  return code === 'INVALID' || code === 'DENIED' || code === 'UNAUTHENTICATED' || code === 'NOT_FOUND';
}

/** Ends early, and quietly, when the signal aborts. */
async function rest(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal?.addEventListener('abort', done, { once: true });
  });
}
