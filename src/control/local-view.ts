import { PlatformError } from '#base/errors';
import type { StoredItem, StoreView, ViewBatch, ViewEvent, ViewWrite } from '#model/store-view';
import type { Compare, KeyValue, LeaseId, Operation, Revision, Store, WatchBatch, WatchEvent } from '#store/store';

/** The store as a StoreView, without a network between: for control itself, and what its API serves to all others. */
export function localView(store: Store): StoreView {
  return {
    async list(prefix, { signal } = {}) {
      const { items, revision } = await store.list({ prefix }, signal === undefined ? {} : { signal });
      return { items: items.map(storedItem), revision };
    },
    watch(prefix, { fromRevision, signal }) {
      // The store's watch is registered here, before anybody asks for the first batch.
      return viewBatches(store.watch({ prefix }, { fromRevision: fromRevision as Revision, signal }));
    },
    async write(writes, { signal } = {}) {
      const result = await store.transact({ compare: comparesOf(writes), then: writes.map(operationOf) }, signal === undefined ? {} : { signal });
      if (result.succeeded) return result.revision;
      const keys = writes.filter((write) => write.expected !== undefined).map((write) => write.key);
      throw new PlatformError('CONFLICT', `Cannot write ${keys.join(', ')}, because another revision is there than expected`, { keys });
    },
    async grantLease(durationMs) {
      return (await store.grantLease(durationMs)).id;
    },
    async keepLease(lease) {
      await store.keepLease(lease as LeaseId);
    },
    async revokeLease(lease) {
      await store.revokeLease(lease as LeaseId);
    },
  };
}

async function* viewBatches(batches: AsyncIterable<WatchBatch>): AsyncGenerator<ViewBatch, void, undefined> {
  for await (const { revision, events } of batches) yield { revision, events: events.map(viewEvent) };
}

function viewEvent(event: WatchEvent): ViewEvent {
  return event.kind === 'put' ? { kind: 'put', item: storedItem(event.item) } : { kind: 'delete', key: event.key, modRevision: event.modRevision };
}

function storedItem({ key, value, modRevision, createRevision }: KeyValue): StoredItem {
  return { key, value, modRevision, createRevision };
}

function comparesOf(writes: readonly ViewWrite[]): Compare[] {
  return writes.flatMap(({ key, expected }) => (expected === undefined ? [] : [{ key, target: 'modRevision' as const, is: '=' as const, to: expected }]));
}

function operationOf(write: ViewWrite): Operation {
  if (write.kind === 'delete') return { kind: 'delete', range: { key: write.key } };
  return { kind: 'put', key: write.key, value: write.value, ...(write.lease === undefined ? {} : { lease: write.lease as LeaseId }) };
}
