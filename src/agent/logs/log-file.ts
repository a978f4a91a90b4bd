import { hasCode } from '#base/errors';
import type { Disk } from '#world/world';
import { KeyedLock } from '../keyed-lock.ts';

const copyBytes = 256 * 1024;
/** Share of the limit that is left for what is written while the tail is copied. A writer faster than that is not caught up with: the rest is dropped. */
const chaseShare = 1 / 8;

/** What a reader got: the bytes at `from`, which is later than asked if older bytes are gone. */
export interface LogChunk {
  readonly from: number;
  readonly bytes: Uint8Array;
}

/**
 * The output of one attempt: the file its process appends to, and in `PATH.1` what was there before the last rotation.
 *
 * Invariants: F1 a position counts the bytes since this object was made, without those dropped unseen, and never changes its meaning: rotation raises `#base`, the position of the file's
 * first byte. F2 readable are the positions from `oldest` to `end`, without a gap but the one `dropped` tells. F3 rotation and reading never overlap.
 */
export class LogFile {
  readonly path: string;
  readonly serial: number;
  readonly attempt: number;
  /** False once the process has ended: nothing is added any more. */
  isLive = true;
  readonly #disk: Disk;
  readonly #lock = new KeyedLock();
  #base = 0;
  #keptBytes = 0;
  #sizeBytes = 0;
  #droppedBytes = 0;

  constructor(disk: Disk, options: { readonly path: string; readonly serial: number; readonly attempt: number }) {
    this.#disk = disk;
    this.path = options.path;
    this.serial = options.serial;
    this.attempt = options.attempt;
  }

  /** Position of the oldest byte that can still be read; negative for what an earlier agent rotated. */
  get oldest(): number {
    return this.#base - this.#keptBytes;
  }

  /** Position after the last byte seen. */
  get end(): number {
    return this.#base + this.#sizeBytes;
  }

  get totalBytes(): number {
    return this.#keptBytes + this.#sizeBytes;
  }

  /** Bytes that no reader can get any more. */
  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  /** Looks at the disk; afterwards `end` is up to date. Rotates above `limitBytes`. */
  async poll(limitBytes: number): Promise<void> {
    await this.#lock.run('', async () => {
      const stat = await this.#disk.stat(this.path);
      this.#sizeBytes = stat?.sizeBytes ?? 0;
      this.#keptBytes = (await this.#disk.stat(this.#keptPath))?.sizeBytes ?? 0;
      if (this.#sizeBytes > limitBytes) await this.#rotate(limitBytes);
    });
  }

  /** Up to `maxBytes` from `position` on; none at the end. */
  async read(position: number, maxBytes: number): Promise<LogChunk> {
    return await this.#lock.run('', async () => {
      const from = Math.max(position, this.oldest);
      if (from < this.#base) {
        const bytes = await this.#readAt(this.#keptPath, from - this.oldest, Math.min(maxBytes, this.#base - from));
        if (bytes.length > 0) return { from, bytes };
      }
      const start = Math.max(from, this.#base);
      return { from: start, bytes: await this.#readAt(this.path, start - this.#base, maxBytes) };
    });
  }

  async remove(): Promise<void> {
    await this.#lock.run('', async () => {
      await this.#disk.remove(this.path);
      await this.#disk.remove(this.#keptPath);
      this.#base += this.#sizeBytes;
      this.#sizeBytes = 0;
      this.#keptBytes = 0;
    });
  }

  get #keptPath(): string {
    return `${this.path}.1`;
  }

  /** Keeps the tail aside and empties the file. Its writer appends, so it goes on at the new end without knowing. */
  async #rotate(limitBytes: number): Promise<void> {
    const fresh = `${this.path}.1.new`;
    await using file = await this.#disk.open(this.path, 'write');
    const tailBytes = Math.ceil(limitBytes * (1 - chaseShare));
    const skipped = this.#sizeBytes - tailBytes;
    let size = this.#sizeBytes;
    let copied = skipped;
    {
      await using kept = await this.#disk.open(fresh, 'create');
      await kept.truncate(0);
      while (copied < size) {
        const bytes = await file.read(copied, Math.min(copyBytes, size - copied));
        if (bytes.length === 0) break;
        await kept.write(copied - skipped, bytes);
        copied += bytes.length;
        if (copied === size) size = Math.min(skipped + limitBytes, (await file.stat()).sizeBytes);
      }
      size = (await file.stat()).sizeBytes;
    }
    await file.truncate(0);
    await this.#disk.rename(fresh, this.#keptPath);
    // The bytes written between the last look and the truncation are not seen by anybody and cannot be counted.
    this.#droppedBytes += this.#keptBytes + skipped + (size - copied);
    this.#base += copied;
    this.#keptBytes = copied - skipped;
    this.#sizeBytes = 0;
  }

  async #readAt(path: string, offset: number, length: number): Promise<Uint8Array> {
    try {
      await using file = await this.#disk.open(path, 'read');
      return await file.read(offset, length);
    } catch (error) {
      if (hasCode(error, 'NOT_FOUND')) return new Uint8Array();
      throw error;
    }
  }
}
