import { closeSync, existsSync, openSync, renameSync, statSync, write } from 'node:fs';
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

/** JSON lines in a file that is rotated by size. Adding only queues; `flush` is called off the path of requests. Lines that find the queue full are dropped and counted. */
export class AccessLog implements Disposable {
  readonly #path: string;
  #lines: string[] = [];
  #file: number;
  #sizeBytes: number;
  #isWriting = false;
  dropped = 0;

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'a', 0o600);
    this.#sizeBytes = statSync(path).size;
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
    if (this.#sizeBytes > ACCESS_LOG.fileBytes) this.#rotate();
    const bytes = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.#isWriting = true;
    write(this.#file, bytes, 0, bytes.length, null, (error) => {
      this.#isWriting = false;
      if (error) this.dropped++;
      else this.#sizeBytes += bytes.length;
    });
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #rotate(): void {
    closeSync(this.#file);
    for (let i = ACCESS_LOG.files - 1; i >= 1; i--) {
      const from = i === 1 ? this.#path : `${this.#path}.${i - 1}`;
      if (existsSync(from)) renameSync(from, `${this.#path}.${i}`);
    }
    this.#file = openSync(this.#path, 'a', 0o600);
    this.#sizeBytes = 0;
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
