import { hasCode } from '#base/errors';
import type { Disk } from '#world/world';
import { LineSplitter } from './line-splitter.ts';
import { LogFile } from './log-file.ts';

/** Attempts whose output is kept, however little they wrote. */
const maxFiles = 20;
const blockBytes = 64 * 1024;
const FILE = /^(\d+)-(\d+)\.log$/;

/** One line of an attempt. */
export interface LogLine {
  readonly serial: number;
  readonly attempt: number;
  readonly text: string;
}

/** Where a follower is: position by file. */
export type LogCursor = Map<LogFile, { position: number; readonly splitter: LineSplitter }>;

/** All output of one slot of a service, `web.2`: a file per attempt of each instance that had the slot, oldest first. */
export class LogSlot {
  readonly folder: string;
  readonly #disk: Disk;
  readonly #limitBytes: number;
  #files: LogFile[] = [];

  constructor(disk: Disk, options: { readonly folder: string; readonly limitBytes: number }) {
    this.#disk = disk;
    this.folder = options.folder;
    this.#limitBytes = options.limitBytes;
  }

  get files(): readonly LogFile[] {
    return this.#files;
  }

  get hasLiveFiles(): boolean {
    return this.#files.some((file) => file.isLive);
  }

  /** Finds what earlier agents left. */
  async load(): Promise<void> {
    const names = await this.#disk.list(this.folder).catch((error: unknown) => {
      if (hasCode(error, 'NOT_FOUND')) return [];
      throw error;
    });
    for (const name of names) {
      const match = FILE.exec(name);
      if (!match || this.#find(Number(match[1]), Number(match[2]))) continue;
      const file = this.#add(Number(match[1]), Number(match[2]));
      file.isLive = false;
      await file.poll(Number.POSITIVE_INFINITY);
    }
  }

  /** The file of an attempt about to start or just adopted; the process appends to its path. */
  async open(serial: number, attempt: number): Promise<LogFile> {
    await this.#disk.makeDirectory(this.folder);
    const file = this.#find(serial, attempt) ?? this.#add(serial, attempt);
    file.isLive = true;
    await this.#trim();
    return file;
  }

  /** Looks at the live files, rotates and discards so that the slot keeps at most twice the limit for each live file. Returns the bytes added since the last look. */
  async poll(): Promise<number> {
    let added = 0;
    for (const file of this.#files) {
      if (!file.isLive) continue;
      const before = file.end;
      await file.poll(this.#limitBytes);
      added += Math.max(0, file.end - before);
    }
    await this.#trim();
    return added;
  }

  /** The last lines, oldest first; of one instance if `serial` is given, and of one attempt of it if `attempt` is too. */
  async tail(count: number, serial?: number, attempt?: number): Promise<LogLine[]> {
    for (const file of this.#of(serial)) if (file.isLive) await file.poll(Number.POSITIVE_INFINITY);
    const ends = this.#of(serial).map((file) => [file, file.end] as const);
    return await lastLines(
      ends.filter(([file]) => attempt === undefined || file.attempt === attempt),
      count,
    );
  }

  /** The last lines before the cursor: what `advance` yields follows them without a gap or a repetition. */
  async tailBefore(cursor: LogCursor, count: number): Promise<LogLine[]> {
    return await lastLines(
      [...cursor].map(([file, { position }]) => [file, position] as const),
      count,
    );
  }

  /** A cursor at the present end. */
  async cursor(serial?: number): Promise<LogCursor> {
    for (const file of this.#of(serial)) if (file.isLive) await file.poll(this.#limitBytes);
    return new Map(this.#of(serial).map((file) => [file, { position: file.end, splitter: new LineSplitter() }]));
  }

  /** Lines written since the cursor's last use, which moves on. */
  async *advance(cursor: LogCursor, serial?: number): AsyncGenerator<LogLine> {
    const files = this.#of(serial);
    for (const file of cursor.keys()) if (!files.includes(file)) cursor.delete(file);
    for (const file of files) {
      const place = cursor.get(file) ?? { position: file.oldest, splitter: new LineSplitter() };
      cursor.set(file, place);
      while (true) {
        const { from, bytes } = await file.read(place.position, blockBytes);
        place.position = from + bytes.length;
        for (const text of place.splitter.push(bytes)) yield { serial: file.serial, attempt: file.attempt, text };
        if (bytes.length === 0) break;
      }
      const rest = file.isLive ? undefined : place.splitter.flush();
      if (rest !== undefined) yield { serial: file.serial, attempt: file.attempt, text: rest };
    }
  }

  #of(serial: number | undefined): LogFile[] {
    return this.#files.filter((file) => serial === undefined || file.serial === serial);
  }

  #find(serial: number, attempt: number): LogFile | undefined {
    return this.#files.find((file) => file.serial === serial && file.attempt === attempt);
  }

  #add(serial: number, attempt: number): LogFile {
    const file = new LogFile(this.#disk, { path: `${this.folder}/${serial}-${attempt}.log`, serial, attempt });
    this.#files.push(file);
    this.#files.sort((a, b) => a.serial - b.serial || a.attempt - b.attempt);
    return file;
  }

  async #trim(): Promise<void> {
    const live = Math.max(1, this.#files.filter((file) => file.isLive).length);
    while (true) {
      const total = this.#files.reduce((sum, file) => sum + file.totalBytes, 0);
      if (total <= 2 * this.#limitBytes * live && this.#files.length <= maxFiles + live) return;
      const oldest = this.#files.find((file) => !file.isLive);
      if (!oldest) return;
      await oldest.remove();
      this.#files = this.#files.filter((file) => file !== oldest);
    }
  }
}

/** The last lines of files in order, each read up to the given end. */
async function lastLines(ends: readonly (readonly [file: LogFile, end: number])[], count: number): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for (const [file, end] of ends.toReversed()) {
    if (lines.length >= count) break;
    lines.unshift(...(await tailOf(file, end, count - lines.length)));
  }
  return lines;
}

/** Reads backwards until there are lines enough. */
async function tailOf(file: LogFile, end: number, count: number): Promise<LogLine[]> {
  let start = end;
  let lines: string[] = [];
  while (start > file.oldest && lines.length <= count) {
    start = Math.max(file.oldest, start - Math.max(blockBytes, end - start));
    lines = await linesFrom(file, start, end);
  }
  return lines.slice(-count).map((text) => ({ serial: file.serial, attempt: file.attempt, text }));
}

async function linesFrom(file: LogFile, start: number, end: number): Promise<string[]> {
  const splitter = new LineSplitter();
  const lines: string[] = [];
  for (let position = start; position < end; ) {
    const { from, bytes } = await file.read(position, Math.min(blockBytes, end - position));
    if (bytes.length === 0) break;
    position = from + bytes.length;
    lines.push(...splitter.push(bytes));
  }
  const rest = splitter.flush();
  if (rest !== undefined) lines.push(rest);
  return lines;
}
