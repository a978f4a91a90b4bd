import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { lstat, open, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { PlatformError } from '#base/errors';
import { ARCHIVE_LIMITS, type ArchiveLimits } from './archive-limits.ts';
import { EntryGuard } from './entry-guard.ts';
import { type Ignores, parseIgnorePatterns } from './ignore-patterns.ts';
import { BLOCK_BYTES, makeHeader, paddingOf, type TarHeader } from './tar-format.ts';

const chunkBytes = 256 * 1024;

/** What was packed. */
export interface Packed {
  /** Content address of the archive: `sha256-HEX`. The same content gives the same address with the same version of Node's zlib. */
  readonly artifact: string;
  readonly sizeBytes: number;
  /** Of the files, before compression. */
  readonly unpackedBytes: number;
  readonly entries: number;
  /** Paths that were left out, folders with a slash at the end; the content of a folder is not listed. */
  readonly excluded: readonly string[];
}

interface Found {
  readonly header: TarHeader;
  /** Of files. */
  readonly source: string;
}

/**
 * Packs a folder as `.tar.gz` into the file `to`, in an order and with headers that depend on names, content and the executable bit only. Leaves out
 * `.git`, `.haven` and what `.havenignore` names. INVALID names what cannot be packed: a link that leaves the folder, a device, a file that changed meanwhile.
 */
export async function packFolder(
  folder: string,
  { to, signal, limits = ARCHIVE_LIMITS }: { readonly to: string; readonly signal?: AbortSignal; readonly limits?: ArchiveLimits },
): Promise<Packed> {
  const excluded: string[] = [];
  const guard = new EntryGuard(limits);
  const ignores = parseIgnorePatterns(await readFile(join(folder, '.havenignore'), 'utf8').catch(whenMissing('')));
  const found: Found[] = [];
  for await (const one of walk(folder, { ignores, excluded })) {
    guard.admit(one.header);
    found.push(one);
  }
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const counting = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
  };
  const output = createWriteStream(to, { mode: 0o600 });
  await pipeline(Readable.from(archive(found)), createGzip(), counting, output, { ...(signal ? { signal } : {}) });
  const unpackedBytes = found.reduce((sum, { header }) => sum + header.sizeBytes, 0);
  return { artifact: `sha256-${hash.digest('hex')}`, sizeBytes, unpackedBytes, entries: found.length, excluded };
}

async function* walk(folder: string, state: { readonly ignores: Ignores; readonly excluded: string[] }, below = ''): AsyncGenerator<Found> {
  // By code units, not by the language of whoever packs.
  for (const name of (await readdir(join(folder, below))).sort()) {
    const path = below === '' ? name : `${below}/${name}`;
    const source = join(folder, path);
    const stats = await lstat(source);
    if (state.ignores(path, stats.isDirectory())) {
      state.excluded.push(stats.isDirectory() ? `${path}/` : path);
      continue;
    }
    const plain = { path, mode: 0o644, sizeBytes: 0, target: '' };
    if (stats.isDirectory()) {
      yield { source, header: { ...plain, path: `${path}/`, type: '5', mode: 0o755 } };
      yield* walk(folder, state, path);
    } else if (stats.isFile()) {
      yield { source, header: { ...plain, type: '0', mode: (stats.mode & 0o111) === 0 ? 0o644 : 0o755, sizeBytes: stats.size } };
    } else if (stats.isSymbolicLink()) {
      yield { source, header: { ...plain, type: '2', mode: 0o777, target: await readlink(source) } };
    } else {
      throw new PlatformError(
        'INVALID',
        `Cannot pack "${path}", because it is neither a file nor a folder nor a link; name it in .havenignore to leave it out`,
        { path },
      );
    }
  }
}

async function* archive(found: readonly Found[]): AsyncGenerator<Uint8Array> {
  for (const { header, source } of found) {
    yield makeHeader(header);
    if (header.type !== '0' || header.sizeBytes === 0) continue;
    yield* content(source, header);
    yield new Uint8Array(paddingOf(header.sizeBytes));
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

async function* content(source: string, header: TarHeader): AsyncGenerator<Uint8Array> {
  await using handle = await open(source, 'r');
  let offset = 0;
  while (offset < header.sizeBytes) {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(chunkBytes, header.sizeBytes - offset)), 0);
    if (bytesRead === 0) break;
    offset += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
  if (offset === header.sizeBytes && (await handle.stat()).size === offset) return;
  throw new PlatformError('INVALID', `Cannot pack "${header.path}", because it changed while it was packed; try again`, { path: header.path });
}

function whenMissing(value: string): (error: NodeJS.ErrnoException) => string {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}
