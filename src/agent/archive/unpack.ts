import { execFile } from 'node:child_process';
import { constants, createReadStream } from 'node:fs';
import { link, mkdir, open, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { PlatformError } from '#base/errors';
import { ARCHIVE_LIMITS, type ArchiveLimits } from './archive-limits.ts';
import { EntryGuard, type SafeEntry } from './entry-guard.ts';
import { readTar, type TarEntry } from './tar-reader.ts';

const GZIP_MAGIC = [0x1f, 0x8b];

/** Unpacks a `.tar` or `.tar.gz` into a new folder; when it returns, all is on stable storage. INVALID or TOO_LARGE names the entry that is refused; what was made by then stays. */
export async function unpackArchive(
  archivePath: string,
  folder: string,
  { signal, limits = ARCHIVE_LIMITS }: { readonly signal: AbortSignal; readonly limits?: ArchiveLimits },
): Promise<void> {
  const guard = new EntryGuard(limits);
  // Not recursive: the folder must be new, or a link placed there could be followed.
  await mkdir(folder, { mode: 0o755 });
  const made = new Set<string>(['']);
  await readDecompressed(archivePath, signal, async (source) => {
    for await (const entry of readTar(source)) {
      const safe = guard.admit(entry);
      if (safe) await make(folder, { safe, entry, made });
    }
  });
  await promisify(execFile)('sync', ['-f', folder]);
}

async function readDecompressed(archivePath: string, signal: AbortSignal, consume: (source: AsyncIterable<Uint8Array>) => Promise<void>): Promise<void> {
  const file = createReadStream(archivePath);
  try {
    if (await isGzip(archivePath)) await pipeline(file, createGunzip(), consume, { signal });
    else await pipeline(file, consume, { signal });
  } catch (error) {
    signal.throwIfAborted();
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code.startsWith('Z_')) throw new PlatformError('INVALID', 'Cannot read the archive, because its compression is damaged', {}, { cause: error });
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new PlatformError('LIMIT', 'Cannot unpack the archive, because the disk is full', {}, { cause: error });
    throw error;
  }
}

async function isGzip(path: string): Promise<boolean> {
  await using handle = await open(path, 'r');
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
  return bytesRead === 2 && GZIP_MAGIC.every((byte, at) => buffer[at] === byte);
}

async function make(folder: string, { safe, entry, made }: { readonly safe: SafeEntry; readonly entry: TarEntry; readonly made: Set<string> }): Promise<void> {
  const path = join(folder, safe.path);
  const parent = safe.kind === 'directory' ? safe.path : dirname(safe.path);
  if (!made.has(parent)) await mkdir(join(folder, parent), { recursive: true, mode: 0o755 });
  made.add(parent);
  switch (safe.kind) {
    case 'directory':
      return;
    case 'file':
      return await writeFile(path, safe.mode, entry.body);
    case 'symlink':
      return await symlink(safe.target, path);
    case 'hardlink':
      return await link(join(folder, safe.target), path);
  }
}

async function writeFile(path: string, mode: number, body: AsyncIterable<Uint8Array>): Promise<void> {
  await using handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode);
  for await (const chunk of body) {
    let written = 0;
    while (written < chunk.length) written += (await handle.write(chunk, written)).bytesWritten;
  }
  // The mode given at creation is cut by the umask of whoever started the agent.
  await handle.chmod(mode);
}
