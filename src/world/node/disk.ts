import { constants, type Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type ErrorCode, messageOf, PlatformError } from '#base/errors';
import type { Disk, FileStat, OpenFile, UnixMs } from '../world.ts';
import { lockEmptyFile, makeEmptyFile } from './file-lock.ts';

const FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT,
} as const;

const CODES: Readonly<Record<string, { readonly code: ErrorCode; readonly why: string }>> = {
  ENOENT: { code: 'NOT_FOUND', why: 'there is nothing there' },
  ENOTDIR: { code: 'NOT_FOUND', why: 'a part of the path is not a folder' },
  EEXIST: { code: 'EXISTS', why: 'it exists already' },
  ENOTEMPTY: { code: 'EXISTS', why: 'the folder is not empty' },
  ENOSPC: { code: 'LIMIT', why: 'the disk is full' },
  EDQUOT: { code: 'LIMIT', why: 'the quota of the disk is used up' },
  EFBIG: { code: 'LIMIT', why: 'the file would be larger than this file system allows' },
  EMFILE: { code: 'LIMIT', why: 'this process has too many files open' },
  ENFILE: { code: 'LIMIT', why: 'this machine has too many files open' },
  EACCES: { code: 'DENIED', why: 'this user may not' },
  EPERM: { code: 'DENIED', why: 'this user may not' },
  EROFS: { code: 'DENIED', why: 'the file system is read-only' },
  ELOOP: { code: 'DENIED', why: 'it is a link, and links are not followed' },
  EISDIR: { code: 'INVALID', why: 'it is a folder' },
  ENAMETOOLONG: { code: 'INVALID', why: 'the name is too long' },
  EINVAL: { code: 'INVALID', why: 'the system does not accept the path or the position' },
};

/** The machine's files. New files are 0600 and new folders 0700; the last part of a path is never followed when it is a link. */
export class NodeDisk implements Disk {
  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<OpenFile> {
    const handle = await mapped('open', path, () => fs.open(path, FLAGS[mode] | constants.O_NOFOLLOW, 0o600));
    return new NodeFile(path, handle);
  }

  async stat(path: string): Promise<FileStat | undefined> {
    try {
      return fileStat(await fs.lstat(path));
    } catch (error) {
      const failure = diskError('look at', path, error);
      if (failure.code === 'NOT_FOUND') return undefined;
      throw failure;
    }
  }

  async list(path: string): Promise<readonly string[]> {
    return (await mapped('list', path, () => fs.readdir(path))).sort();
  }

  async rename(from: string, to: string): Promise<void> {
    await mapped('rename', from, () => fs.rename(from, to));
  }

  async remove(path: string): Promise<void> {
    await mapped('remove', path, () => fs.rm(path, { recursive: true, force: true }));
  }

  async makeDirectory(path: string): Promise<void> {
    const first = await mapped('make the folder', path, () => fs.mkdir(path, { recursive: true, mode: 0o700 }));
    if (first === undefined) return;
    // From the innermost folder up to the one that was there before.
    const outermost = dirname(resolve(first));
    for (let made = resolve(path); made !== outermost; made = dirname(made)) await this.syncDirectory(dirname(made));
  }

  async syncDirectory(path: string): Promise<void> {
    await mapped('sync the folder', path, async () => {
      await using handle = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
      await handle.sync();
    });
  }

  async lock(path: string): Promise<Disposable | undefined> {
    await mapped('lock', path, async () => makeEmptyFile(path));
    const { kind, sizeBytes } = (await this.stat(path)) ?? { kind: 'nothing', sizeBytes: 0 };
    if (kind !== 'file' || sizeBytes > 0) throw new PlatformError('INVALID', `Cannot lock "${path}", because it is not an empty file`, { path });
    return await mapped('lock', path, () => lockEmptyFile(path));
  }
}

class NodeFile implements OpenFile {
  readonly #path: string;
  readonly #handle: fs.FileHandle;

  constructor(path: string, handle: fs.FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return await mapped('read', this.#path, async () => {
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await this.#handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    });
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await mapped('write', this.#path, async () => {
      let written = 0;
      while (written < bytes.length) {
        written += (await this.#handle.write(bytes, written, bytes.length - written, offset + written)).bytesWritten;
      }
    });
  }

  async truncate(sizeBytes: number): Promise<void> {
    await mapped('resize', this.#path, () => this.#handle.truncate(sizeBytes));
  }

  async sync(): Promise<void> {
    await mapped('sync', this.#path, () => this.#handle.datasync());
  }

  async stat(): Promise<FileStat> {
    return await mapped('look at', this.#path, async () => fileStat(await this.#handle.stat()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

function fileStat(stats: Stats): FileStat {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other';
  return { kind, sizeBytes: stats.size, modifiedAt: stats.mtimeMs as UnixMs };
}

async function mapped<Value>(verb: string, path: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw diskError(verb, path, error);
  }
}

/** The system's error as ours. An input/output error is INTERNAL: no retry may hide it. */
function diskError(verb: string, path: string, error: unknown): PlatformError {
  const systemCode = (error as NodeJS.ErrnoException).code ?? '';
  const known = CODES[systemCode];
  const why = known?.why ?? messageOf(error);
  return new PlatformError(known?.code ?? 'INTERNAL', `Cannot ${verb} "${path}", because ${why}`, { path, systemCode }, { cause: error });
}
