import { toBytes, toText } from '#base/bytes';
import { crc32c } from '#base/checksum';
import { messageOf, PlatformError } from '#base/errors';
import { Wakeup } from '#base/wakeup';
import type { Journal, JournalRecord } from '#store/journal';
import { type Change, Mvcc } from '#store/mvcc';
import type { LeaseId, Revision } from '#store/store';
import { readFile } from '#world/files';
import type { OpenFile, World } from '#world/world';

/** Appending to a large file is dear on a simulated disk, which copies it each time. */
const segmentBytes = 64 * 1024;
const headBytes = 8;

/** What a journal's files hold. */
export interface JournalContents {
  readonly records: readonly JournalRecord[];
  /** The segment in which the next record goes. */
  readonly nextSegment: number;
}

/**
 * The journal of a simulated store: records with length and checksum in numbered files of the simulated disk, written in groups.
 *
 * Invariants: J1 `append` resolves after the record and all before it were synced. J2 after a failed write nothing is acknowledged any more.
 * J3 a record that was torn by a power cut was never acknowledged, and nothing follows it. J4 what a killed process wrote and did not sync
 * can be read, and is lost with the next power cut: it is synced before anybody builds on it.
 */
export class DiskJournal implements Journal {
  readonly #world: Pick<World, 'disk'>;
  readonly #folder: string;
  readonly #onDurable: (record: JournalRecord) => void;
  readonly #waiting: { readonly record: JournalRecord; readonly bytes: Uint8Array; readonly done: PromiseWithResolvers<void> }[] = [];
  readonly #bell = new Wakeup();
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #segment: number;
  #failure: PlatformError | undefined;

  /** Begins a new file after those in `contents`. `onDurable` hears of each record just before whoever waits for it. */
  constructor(
    world: Pick<World, 'disk'>,
    options: { readonly folder: string; readonly contents: JournalContents; readonly onDurable: (record: JournalRecord) => void },
  ) {
    this.#world = world;
    this.#folder = options.folder;
    this.#segment = options.contents.nextSegment;
    this.#onDurable = options.onDurable;
    this.#running = this.#run();
  }

  get refusal(): undefined {
    return undefined;
  }

  async append(record: JournalRecord): Promise<void> {
    if (this.#failure) throw this.#failure;
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ record, bytes: framed(record), done });
    this.#bell.ring();
    await done.promise;
  }

  async close(): Promise<void> {
    this.#closing.abort(new PlatformError('ABORTED', 'The journal is closed'));
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#failure) {
      try {
        await this.#writeSegment();
      } catch (error) {
        if (this.#closing.signal.aborted && this.#waiting.length === 0) return;
        this.#failure = new PlatformError('UNAVAILABLE', `Cannot write the journal: ${messageOf(error)}`, {}, { cause: error });
      }
    }
    for (const { done } of this.#waiting.splice(0)) done.reject(this.#failure);
  }

  async #writeSegment(): Promise<void> {
    const path = `${this.#folder}/${segmentName(this.#segment++)}`;
    await using file = await this.#world.disk.open(path, 'create');
    await file.sync();
    await this.#world.disk.syncDirectory(this.#folder);
    for (let offset = 0; offset < segmentBytes; ) {
      if (this.#waiting.length === 0) await this.#bell.wait(this.#closing.signal);
      offset += await this.#writeGroup(file, offset);
    }
  }

  async #writeGroup(file: OpenFile, offset: number): Promise<number> {
    const group = this.#waiting.slice();
    const bytes = joined(group.map((entry) => entry.bytes));
    await file.write(offset, bytes);
    await file.sync();
    // J1, J2: only now do they leave the queue, so that a failure above rejects them.
    this.#waiting.splice(0, group.length);
    for (const { record, done } of group) {
      this.#onDurable(record);
      done.resolve();
    }
    return bytes.length;
  }
}

/** Every record on the disk, in order, and from here on durable. */
export async function readJournal(world: Pick<World, 'disk'>, folder: string): Promise<JournalContents> {
  await world.disk.makeDirectory(folder);
  await world.disk.syncDirectory(folder);
  const names = await world.disk.list(folder);
  const records: JournalRecord[] = [];
  for (const name of names) {
    // J4
    await using file = await world.disk.open(`${folder}/${name}`, 'write');
    await file.sync();
    const bytes = (await readFile(world.disk, `${folder}/${name}`)) ?? new Uint8Array();
    records.push(...unframed(bytes));
  }
  return { records, nextSegment: Number.parseInt(names.at(-1) ?? '0', 10) + 1 };
}

/** The state that the records lead to; every lease begins its time again. */
export function replay(records: readonly JournalRecord[], world: Pick<World, 'clock'>): Mvcc {
  const changes = new Map<number, Change>();
  const leases = new Map<LeaseId, number>();
  let oldest = 1 as Revision;
  for (const record of records) {
    for (const change of record.changes ?? []) changes.set(change.sequence, change);
    if (record.granted) leases.set(record.granted.id, record.granted.durationMs);
    if (record.endedLease !== undefined) leases.delete(record.endedLease);
    if (!record.compacted) continue;
    oldest = record.compacted.oldest;
    for (const sequence of record.compacted.dropped) changes.delete(sequence);
  }
  const image = { oldest, changes: changes.values(), leases: [...leases].map(([id, durationMs]) => ({ id, durationMs })) };
  return Mvcc.restore(image, world.clock.now());
}

function segmentName(segment: number): string {
  return String(segment).padStart(6, '0');
}

function framed(record: JournalRecord): Uint8Array {
  const body = toBytes(JSON.stringify(record));
  const bytes = new Uint8Array(headBytes + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  view.setUint32(4, crc32c(body));
  bytes.set(body, headBytes);
  return bytes;
}

/** The whole records at the beginning of the bytes. */
function unframed(bytes: Uint8Array): JournalRecord[] {
  const records: JournalRecord[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let offset = 0; offset + headBytes <= bytes.length; ) {
    const length = view.getUint32(offset);
    // A torn write may leave a hole of zeros, which would pass for a record without a body.
    if (length === 0) break;
    const end = offset + headBytes + length;
    const body = bytes.subarray(offset + headBytes, end);
    if (end > bytes.length || crc32c(body) !== view.getUint32(offset + 4)) break;
    records.push(JSON.parse(toText(body)) as JournalRecord);
    offset = end;
  }
  return records;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
