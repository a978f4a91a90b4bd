import { closeSync, existsSync, fstatSync, openSync, renameSync, statSync, write } from 'node:fs';
import { wallNow } from './dataplane/clock.ts';
import type { RequestRecord, Termination } from './dataplane/request-account.ts';

/** One finished request. Times in ms. */
export interface AccessEntry extends RequestRecord {
  readonly client: string;
  readonly protocol: string;
  /** Version of TLS; '' without. */
  readonly tls: string;
  readonly status: number;
  readonly end: Termination;
  /** Of the bodies. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Waiting for a usable backend. */
  readonly queueMs: number;
  /** For new connections to backends. */
  readonly connectMs: number;
  /** To the head of the answer. */
  readonly firstByteMs: number;
  readonly totalMs: number;
  /** '' if no route matched. */
  readonly service: string;
  /** Of the last try. */
  readonly backend: string;
  readonly tries: number;
}

/** Bounds of the log: lines waiting in memory, bytes per file, files. */
export const ACCESS_LOG = { waitingLines: 20_000, fileBytes: 16 * 1024 * 1024, files: 4 } as const;
const NEWLINE = 10;

/**
 * JSON lines in a file that is rotated by size. Adding only queues; `flush` is called off the path of requests. Lines that find the queue full, or the disk, are dropped
 * and counted; `tell` is told once when that begins, and once when it is over.
 *
 * A1: the file in use is closed only when the next one is open, so that its number never stands for something else. A2: it is the one at the path: somebody who
 * moves it away (logrotate) or deletes it gets a new one.
 */
export class AccessLog implements Disposable {
  readonly #path: string;
  readonly #tell: (message: string) => void;
  #lines: string[] = [];
  #file: number;
  #inode: number;
  #sizeBytes: number;
  #isWriting = false;
  /** The last line in the file is not whole. */
  #isTorn = false;
  #isLosing = false;
  #isStuck = false;
  dropped = 0;

  constructor(path: string, tell: (message: string) => void) {
    this.#path = path;
    this.#tell = tell;
    this.#file = openSync(path, 'a', 0o600);
    const { ino, size } = fstatSync(this.#file);
    this.#inode = ino;
    this.#sizeBytes = size;
  }

  add(entry: AccessEntry): void {
    if (this.#lines.length >= ACCESS_LOG.waitingLines) {
      this.dropped++;
      return;
    }
    this.#lines.push(accessLine(entry, wallNow()));
  }

  /** Hands what is queued to the kernel. One write at a time. */
  flush(): void {
    if (this.#isWriting || this.#lines.length === 0) return;
    // A2.
    if (this.#isGone()) this.#change(() => this.#goOnIn(this.#path), 'begun anew');
    if (this.#sizeBytes > ACCESS_LOG.fileBytes) this.#change(() => this.#rotate(), 'rotated');
    const bytes = Buffer.from((this.#isTorn ? '\n' : '') + this.#lines.join(''));
    this.#lines = [];
    this.#isWriting = true;
    this.#write(bytes);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  /** A disk that is getting full takes a part. */
  #write(bytes: Buffer): void {
    write(this.#file, bytes, 0, bytes.length, null, (error, written) => {
      if (!error && written > 0) {
        this.#sizeBytes += written;
        this.#isTorn = bytes[written - 1] !== NEWLINE;
        if (written < bytes.length) {
          this.#write(bytes.subarray(written));
          return;
        }
      }
      this.#isWriting = false;
      if (error) this.#lost(bytes, error.code ?? error.message);
      else if (this.#isLosing) {
        this.#isLosing = false;
        this.#tell(`the access log ${this.#path} is written again; ${this.dropped} lines were lost so far`);
      }
    });
  }

  #lost(bytes: Buffer, cause: string): void {
    for (const byte of bytes) if (byte === NEWLINE) this.dropped++;
    if (this.#isLosing) return;
    this.#isLosing = true;
    this.#tell(`the access log ${this.#path} cannot be written (${cause}): lines are lost and counted until it can; make room on its disk`);
  }

  #isGone(): boolean {
    try {
      return statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#inode;
    } catch {
      // A path that cannot be looked at says nothing of the file.
      return false;
    }
  }

  /** What cannot be changed stays as it is; told once. */
  #change(change: () => void, what: 'begun anew' | 'rotated'): void {
    try {
      change();
      this.#isStuck = false;
    } catch (error) {
      if (this.#isStuck) return;
      this.#isStuck = true;
      const { code, message } = error as NodeJS.ErrnoException;
      this.#tell(`the access log ${this.#path} cannot be ${what} (${code ?? message}): it goes on in the same file, and that is tried again`);
    }
  }

  #rotate(): void {
    const next = `${this.#path}.next`;
    this.#goOnIn(next);
    for (let i = ACCESS_LOG.files - 1; i >= 1; i--) {
      const from = i === 1 ? this.#path : `${this.#path}.${i - 1}`;
      if (existsSync(from)) renameSync(from, `${this.#path}.${i}`);
    }
    renameSync(next, this.#path);
  }

  #goOnIn(path: string): void {
    // A1.
    const file = openSync(path, 'a', 0o600);
    closeSync(this.#file);
    const { ino, size } = fstatSync(file);
    this.#file = file;
    this.#inode = ino;
    this.#sizeBytes = size;
    this.#isTorn = false;
  }
}

/** One line. JSON escapes what a client could smuggle into a log. */
export function accessLine(entry: AccessEntry, atUnixMs: number): string {
  const { id, queueMs, connectMs, firstByteMs, totalMs, ...rest } = entry;
  const times = { queueMs: rounded(queueMs), connectMs: rounded(connectMs), firstByteMs: rounded(firstByteMs), totalMs: rounded(totalMs) };
  return `${JSON.stringify({ at: new Date(atUnixMs).toISOString(), id, ...rest, ...times })}\n`;
}

/** To a thousandth of a ms. */
function rounded(durationMs: number): number {
  return Math.round(durationMs * 1_000) / 1_000;
}
