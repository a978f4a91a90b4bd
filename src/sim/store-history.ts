import { toBytes } from '#base/bytes';
import { crc32c } from '#base/checksum';
import type { JournalRecord } from '#store/journal';

/** One object as of some revision, parsed. */
export interface SeenItem {
  readonly key: string;
  readonly value: unknown;
  readonly createRevision: number;
  readonly modRevision: number;
}

/** One revision of the store, as it became durable. */
export interface SeenRevision {
  readonly revision: number;
  /** True virtual time. */
  readonly atMs: number;
  /** Who asked for the change, as far as that is known: the name of a control, or empty. */
  readonly caller: string;
  readonly changes: readonly { readonly key: string; readonly before: SeenItem | undefined; readonly after: SeenItem | undefined }[];
}

/**
 * Everything that was ever acknowledged, seen from outside: no crash loses it. What the store holds is compared with it at each start.
 */
export class StoreHistory {
  readonly #nowMs: () => number;
  readonly #onRevision: (seen: SeenRevision) => void;
  readonly #onLoss: (text: string) => void;
  readonly #callers = new WeakMap<JournalRecord, string>();
  readonly #checksums: number[] = [];
  /** By the first part of the key, `/instances/`, then by key. */
  readonly #itemsByPrefix = new Map<string, Map<string, SeenItem>>();
  #caller = '';
  #revision = 1;

  constructor(options: { readonly nowMs: () => number; readonly onRevision: (seen: SeenRevision) => void; readonly onLoss: (text: string) => void }) {
    this.#nowMs = options.nowMs;
    this.#onRevision = options.onRevision;
    this.#onLoss = options.onLoss;
  }

  get revision(): number {
    return this.#revision;
  }

  /** A key's item, or `undefined`. */
  item(key: string): SeenItem | undefined {
    return this.#itemsByPrefix.get(prefixOf(key))?.get(key);
  }

  /** The value of a key, or `undefined`. */
  value<Value>(key: string): Value | undefined {
    return this.item(key)?.value as Value | undefined;
  }

  /** Every value below one of the model's prefixes, in the order in which their keys were made. */
  values<Value>(prefix: string): Value[] {
    return [...(this.#itemsByPrefix.get(prefix)?.values() ?? [])].map((item) => item.value as Value);
  }

  /** Runs a call to the store in somebody's name: the store takes a record synchronously within it. */
  as<Value>(caller: string, call: () => Value): Value {
    this.#caller = caller;
    try {
      return call();
    } finally {
      this.#caller = '';
    }
  }

  /** A record was handed to the journal. */
  onAppend(record: JournalRecord): void {
    if (this.#caller !== '') this.#callers.set(record, this.#caller);
  }

  /** A record is durable: whoever wrote it is about to hear so. */
  onDurable(record: JournalRecord): void {
    this.#checksums.push(checksumOf(record));
    const { changes = [] } = record;
    const [first] = changes;
    if (first === undefined) return;
    this.#revision = first.revision;
    const seen = changes.map(({ key, item }) => {
      const before = this.item(key);
      const after: SeenItem | undefined = item && {
        key,
        value: JSON.parse(item.value) as unknown,
        createRevision: item.createRevision,
        modRevision: item.modRevision,
      };
      this.#put(key, after);
      return { key, before, after };
    });
    this.#onRevision({ revision: first.revision, atMs: this.#nowMs(), caller: this.#callers.get(record) ?? '', changes: seen });
  }

  #put(key: string, item: SeenItem | undefined): void {
    const prefix = prefixOf(key);
    const items = this.#itemsByPrefix.get(prefix) ?? new Map<string, SeenItem>();
    this.#itemsByPrefix.set(prefix, items);
    if (item) items.set(key, item);
    else items.delete(key);
  }

  /** What a store found on its disk when it started: all that was acknowledged, and perhaps records that were written and never answered. */
  onRestored(records: readonly JournalRecord[]): void {
    const lost = this.#checksums.findIndex((checksum, index) => checksumOf(records[index]) !== checksum);
    if (lost >= 0) {
      this.#onLoss(`record ${lost} of ${this.#checksums.length} acknowledged ones is not what the store has after its start`);
      return;
    }
    for (const record of records.slice(this.#checksums.length)) this.onDurable(record);
  }
}

function prefixOf(key: string): string {
  return key.slice(0, key.indexOf('/', 1) + 1);
}

function checksumOf(record: JournalRecord | undefined): number {
  return record === undefined ? -1 : crc32c(toBytes(JSON.stringify(record)));
}
