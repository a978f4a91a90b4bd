import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { PlatformError } from '#base/errors';
import type { OpenFile, World } from '#world/world';

/** How large the packed files of one app may be. */
export const MAX_ARTIFACT_BYTES = 512 * 2 ** 20;
const MAX_UPLOADS = 8;
const CHUNK_BYTES = 256 * 1_024;
const ARTIFACT = /^sha256-[0-9a-f]{64}$/;
const UPLOAD_PREFIX = 'upload-';

/** Uploaded files by their content address. What is listed under its name is whole and durable, and is verified again by whoever fetches it. */
export class Artifacts {
  readonly #world: Pick<World, 'disk' | 'random'>;
  readonly #folder: string;
  #uploads = 0;

  constructor(world: Pick<World, 'disk' | 'random'>, folder: string) {
    this.#world = world;
    this.#folder = folder;
  }

  /** Makes the folder and drops what earlier uploads left unfinished. */
  async open(): Promise<void> {
    const { disk } = this.#world;
    await disk.makeDirectory(this.#folder);
    for (const name of await disk.list(this.#folder)) {
      if (name.startsWith(UPLOAD_PREFIX)) await disk.remove(join(this.#folder, name));
    }
  }

  /** Its size in bytes, or `undefined` if it is not here. INVALID for a name that is none. */
  async sizeOf(artifact: string): Promise<number | undefined> {
    return (await this.#world.disk.stat(this.#path(artifact)))?.sizeBytes;
  }

  /**
   * Stores the bytes if their digest is the name's. INVALID if it is not, TOO_LARGE above MAX_ARTIFACT_BYTES, LIMIT on a full disk or too many
   * uploads at once; then nothing stays.
   */
  async put(artifact: string, bytes: AsyncIterable<Uint8Array>): Promise<number> {
    const path = this.#path(artifact);
    if (this.#uploads >= MAX_UPLOADS)
      throw new PlatformError('LIMIT', `Cannot take another upload, because ${MAX_UPLOADS} are under way`, { limit: MAX_UPLOADS });
    const { disk, random } = this.#world;
    const aside = join(this.#folder, `${UPLOAD_PREFIX}${Buffer.from(random.bytes(8)).toString('hex')}`);
    this.#uploads += 1;
    try {
      const sizeBytes = await this.#write(aside, { artifact, bytes });
      await disk.rename(aside, path);
      await disk.syncDirectory(this.#folder);
      return sizeBytes;
    } catch (error) {
      await disk.remove(aside).catch(() => undefined);
      throw error;
    } finally {
      this.#uploads -= 1;
    }
  }

  async #write(path: string, { artifact, bytes }: { readonly artifact: string; readonly bytes: AsyncIterable<Uint8Array> }): Promise<number> {
    await using file = await this.#world.disk.open(path, 'create');
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of bytes) {
      if (sizeBytes + chunk.length > MAX_ARTIFACT_BYTES) {
        throw new PlatformError('TOO_LARGE', `Cannot store ${artifact}, because it has more than ${MAX_ARTIFACT_BYTES} bytes`, {
          maxBytes: MAX_ARTIFACT_BYTES,
        });
      }
      hash.update(chunk);
      await file.write(sizeBytes, chunk);
      sizeBytes += chunk.length;
    }
    const actual = `sha256-${hash.digest('hex')}`;
    if (actual !== artifact) {
      throw new PlatformError('INVALID', `Cannot store ${artifact}, because the bytes that came are ${actual}`, {
        expected: artifact,
        actual,
        next: 'send it again',
      });
    }
    await file.sync();
    return sizeBytes;
  }

  /** The bytes and how many there are. NOT_FOUND if it is not here. */
  async read(artifact: string): Promise<{ readonly sizeBytes: number; readonly bytes: AsyncIterable<Uint8Array> }> {
    const file = await this.#world.disk.open(this.#path(artifact), 'read').catch((error: unknown) => {
      throw error instanceof PlatformError && error.code === 'NOT_FOUND'
        ? new PlatformError('NOT_FOUND', `Cannot find artifact ${artifact}`, { artifact, next: 'haven deploy uploads it again' })
        : error;
    });
    const { sizeBytes } = await file.stat();
    return { sizeBytes, bytes: chunksOf(file, sizeBytes) };
  }

  #path(artifact: string): string {
    // The grammar is the check that no path is joined in here.
    if (ARTIFACT.test(artifact)) return join(this.#folder, artifact);
    throw new PlatformError('INVALID', `Cannot use "${artifact.slice(0, 80)}" as an artifact, because it is not "sha256-" and 64 hexadecimal digits`);
  }
}

async function* chunksOf(file: OpenFile, sizeBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  await using _file = file;
  for (let offset = 0; offset < sizeBytes; offset += CHUNK_BYTES) yield await file.read(offset, Math.min(CHUNK_BYTES, sizeBytes - offset));
}
