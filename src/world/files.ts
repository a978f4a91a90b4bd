import { toBytes, toText } from '#base/bytes';
import { crc32c } from '#base/checksum';
import { hasCode, PlatformError } from '#base/errors';
import type { Disk } from './world.ts';

/** The whole file, or `undefined` if there is none. TOO_LARGE above `maxBytes`. */
export async function readFile(disk: Disk, path: string, options: { readonly maxBytes?: number } = {}): Promise<Uint8Array | undefined> {
  const { maxBytes = defaultMaxBytes } = options;
  try {
    await using file = await disk.open(path, 'read');
    const { sizeBytes } = await file.stat();
    if (sizeBytes > maxBytes) {
      throw new PlatformError('TOO_LARGE', `Cannot read "${path}", because it has ${sizeBytes} bytes and at most ${maxBytes} are read at once`, {
        path,
        sizeBytes,
      });
    }
    return await file.read(0, sizeBytes);
  } catch (error) {
    if (hasCode(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

/**
 * Puts the bytes at `path`: after it returns they are durable, and at any crash the file is whole, either the old or the new. One writer at a
 * time for each path. Needs its folder.
 */
export async function writeFileAtomic(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  await writeAside(disk, path, bytes);
  await disk.rename(aside(path), path);
  await disk.syncDirectory(folderOf(path));
}

/** What `readRecord` found. */
export interface RecordRead {
  /** Parsed JSON; its shape is for the caller to check. */
  readonly value: unknown;
  /** Why this is the copy before the last; absent when it is the last one written. */
  readonly fellBackBecause?: string;
}

/**
 * Puts a JSON value at `path` with its length and checksum, durably and atomically, and keeps the one before at `path.previous`. One writer at a
 * time for each path. Needs its folder.
 */
export async function writeRecord(disk: Disk, path: string, value: unknown): Promise<void> {
  const body = toBytes(JSON.stringify(value));
  const head = toBytes(`${recordFormat} ${body.length} ${crc32c(body).toString(16).padStart(8, '0')}\n`);
  const record = new Uint8Array(head.length + body.length);
  record.set(head);
  record.set(body, head.length);
  await writeAside(disk, path, record);
  // Only a good copy may take the place of the previous one. A crash between the two renames leaves the previous one to be read.
  if ((await readCopy(disk, path)).state === 'good') await disk.rename(path, previous(path));
  await disk.rename(aside(path), path);
  await disk.syncDirectory(folderOf(path));
}

/** The record at `path`, or the one before if it is damaged or missing; `undefined` if there never was one. CORRUPT if no copy can be trusted. */
export async function readRecord(disk: Disk, path: string): Promise<RecordRead | undefined> {
  const current = await readCopy(disk, path);
  if (current.state === 'good') return { value: current.value };
  const before = await readCopy(disk, previous(path));
  if (before.state === 'good') {
    return { value: before.value, fellBackBecause: current.state === 'damaged' ? `"${path}" is damaged: ${current.why}` : `"${path}" is missing` };
  }
  if (current.state === 'missing' && before.state === 'missing') return undefined;
  const whys = [current, before].flatMap((copy) => (copy.state === 'damaged' ? [copy.why] : ['it is missing']));
  throw new PlatformError(
    'CORRUPT',
    `Cannot read the record "${path}", because ${whys[0]}, and its previous copy cannot help: ${whys[1]}. Restore the file from a backup, or move both copies away to begin without it`,
    { path, previousPath: previous(path) },
  );
}

/** Removes the record and the copy before it, durably. */
export async function removeRecord(disk: Disk, path: string): Promise<void> {
  // The older one first: a crash in between must not bring it back.
  await disk.remove(previous(path));
  await disk.syncDirectory(folderOf(path));
  await disk.remove(path);
  await disk.syncDirectory(folderOf(path));
}

const defaultMaxBytes = 64 * 2 ** 20;
const recordFormat = 'haven-record-1';
const RECORD_HEAD = /^haven-record-1 (\d{1,12}) ([0-9a-f]{8})$/;
const maxHeadBytes = 64;
const newline = 10;

type Copy = { readonly state: 'good'; readonly value: unknown } | { readonly state: 'missing' } | { readonly state: 'damaged'; readonly why: string };

async function readCopy(disk: Disk, path: string): Promise<Copy> {
  const bytes = await readFile(disk, path);
  if (bytes === undefined) return { state: 'missing' };
  const end = bytes.subarray(0, maxHeadBytes).indexOf(newline);
  const head = end < 0 ? null : RECORD_HEAD.exec(String.fromCharCode(...bytes.subarray(0, end)));
  if (!head) return { state: 'damaged', why: 'its first line is not that of a record' };
  const body = bytes.subarray(end + 1);
  if (body.length !== Number(head[1])) return { state: 'damaged', why: `it holds ${body.length} bytes instead of ${head[1]}` };
  if (crc32c(body) !== Number.parseInt(head[2] ?? '', 16)) return { state: 'damaged', why: 'its checksum does not match' };
  return { state: 'good', value: JSON.parse(toText(body)) as unknown };
}

async function writeAside(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  try {
    await using file = await disk.open(aside(path), 'create');
    await file.truncate(0);
    await file.write(0, bytes);
    await file.sync();
  } catch (error) {
    // A half-written file on a full disk would keep it full. The first failure is the one to tell, whatever becomes of this.
    await disk.remove(aside(path)).catch(() => undefined);
    throw error;
  }
}

function aside(path: string): string {
  return `${path}.new`;
}

function previous(path: string): string {
  return `${path}.previous`;
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : slash === 0 ? '/' : path.slice(0, slash);
}
