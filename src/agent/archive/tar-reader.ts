import { PlatformError } from '#base/errors';
import { BLOCK_BYTES, paddingOf, parseHeader, parsePax, type TarHeader } from './tar-format.ts';

/** Names are bounded long before this; a header of this size is an attack or damage. */
const maxMetadataBytes = 64 * 1024;

/** One entry; its body must be read before the next entry is asked for, what is not read is skipped. */
export interface TarEntry extends TarHeader {
  readonly body: AsyncIterable<Uint8Array>;
}

/** The entries of a tar archive in order, with long names resolved. INVALID if the archive is damaged or ends early. Holds no more than a chunk in memory. */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  await using reader = new ByteReader(source);
  let overrides: { path?: string; target?: string; sizeBytes?: number } = {};
  while (true) {
    const header = parseHeader(await reader.exactly(BLOCK_BYTES));
    if (!header) return;
    if (header.type === 'x' || header.type === 'g' || header.type === 'L' || header.type === 'K') {
      const metadata = await readMetadata(reader, header);
      // A global header would change every later entry; nothing in it matters here.
      if (header.type !== 'g') overrides = { ...overrides, ...overridesOf(header.type, metadata) };
      continue;
    }
    const entry = { ...header, ...overrides };
    overrides = {};
    let left = entry.sizeBytes;
    const body = async function* (): AsyncGenerator<Uint8Array> {
      while (left > 0) {
        const chunk = await reader.some(left);
        left -= chunk.length;
        yield chunk;
      }
    };
    yield { ...entry, body: body() };
    while (left > 0) left -= (await reader.some(left)).length;
    await reader.exactly(paddingOf(entry.sizeBytes));
  }
}

async function readMetadata(reader: ByteReader, header: TarHeader): Promise<Uint8Array> {
  if (header.sizeBytes > maxMetadataBytes) throw new PlatformError('INVALID', `Cannot read the archive, because a header of it has ${header.sizeBytes} bytes`);
  const metadata = (await reader.exactly(header.sizeBytes)).slice();
  await reader.exactly(paddingOf(header.sizeBytes));
  return metadata;
}

function overridesOf(type: 'x' | 'L' | 'K', metadata: Uint8Array): { path?: string; target?: string; sizeBytes?: number } {
  if (type === 'x') {
    const pax = parsePax(metadata);
    const [path, target, size] = [pax.get('path'), pax.get('linkpath'), pax.get('size')];
    if (size !== undefined && !/^\d{1,15}$/.test(size)) throw new PlatformError('INVALID', 'Cannot read the archive, because a size in it is not a number');
    return { ...(path === undefined ? {} : { path }), ...(target === undefined ? {} : { target }), ...(size === undefined ? {} : { sizeBytes: Number(size) }) };
  }
  const end = metadata.indexOf(0);
  const text = new TextDecoder().decode(end < 0 ? metadata : metadata.subarray(0, end));
  return type === 'L' ? { path: text } : { target: text };
}

/** Bytes of a stream by the number. */
class ByteReader implements AsyncDisposable {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** At least one byte, at most `max`. */
  async some(max: number): Promise<Uint8Array> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) throw new PlatformError('INVALID', 'Cannot read the archive, because it ends in the middle');
      this.#chunk = next.value;
    }
    const bytes = this.#chunk.subarray(0, max);
    this.#chunk = this.#chunk.subarray(bytes.length);
    return bytes;
  }

  async exactly(count: number): Promise<Uint8Array> {
    if (count === 0) return new Uint8Array();
    const first = await this.some(count);
    if (first.length === count) return first;
    const bytes = new Uint8Array(count);
    bytes.set(first);
    for (let filled = first.length; filled < count; ) {
      const more = await this.some(count - filled);
      bytes.set(more, filled);
      filled += more.length;
    }
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.();
  }
}
