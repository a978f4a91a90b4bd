import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { PlatformError } from '#base/errors';
import type { Instant, OpenFile, World } from '#world/world';

/** How large the packed files of one app may be. */
export const MAX_ARTIFACT_BYTES = 512 * 2 ** 20;
const MAX_UPLOADS = 8;
const CHUNK_BYTES = 256 * 1_024;
const ARTIFACT = /^sha256-[0-9a-f]{64}$/;
/** How long a file stays that no release names: between its upload and its deploy somebody may think. */
export const ARTIFACT_GRACE_MS = 3_600_000;
/** Files deleted by one sweep. */
export const MAX_SWEPT = 50;
const UPLOAD_PREFIX = 'upload-';

/** Uploaded files by their content address. What is listed under its name is whole and durable, and is verified again by whoever fetches it. */
export class Artifacts {
  readonly #world: Pick<World, 'clock' | 'disk' | 'random'>;
  readonly #folder: string;
  /** Since when no release names an artifact that nobody asked for either. Only those that are here, so bounded by the folder. */
  readonly #unusedSince = new Map<string, Instant>();
  #uploads = 0;

  constructor(world: Pick<World, 'clock' | 'disk' | 'random'>, folder: string) {
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
    // Whoever asks may be about to deploy it.
    this.#unusedSince.delete(artifact);
    return (await this.#world.disk.stat(this.#path(artifact)))?.sizeBytes;
  }

  /**
   * Stores the bytes if their digest is the name's. INVALID if it is not, TOO_LARGE above MAX_ARTIFACT_BYTES, LIMIT on a full disk or too many
   * uploads at once; then nothing stays.
   */
  async put(artifact: string, bytes: AsyncIterable<Uint8Array>): Promise<number> {
    const path = this.#path(artifact);
    this.#unusedSince.delete(artifact);
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

  /** Deletes files that no release has named for the grace time, at most MAX_SWEPT; resolves to how many. `inUse` are the artifacts of all kept releases. */
  async sweep(inUse: ReadonlySet<string>): Promise<number> {
    const { clock, disk } = this.#world;
    const here = (await disk.list(this.#folder)).filter((name) => ARTIFACT.test(name));
    const now = clock.now();
    for (const name of this.#unusedSince.keys()) if (!here.includes(name)) this.#unusedSince.delete(name);
    for (const name of here) {
      if (inUse.has(name)) this.#unusedSince.delete(name);
      else if (!this.#unusedSince.has(name)) this.#unusedSince.set(name, now);
    }
    const due = [...this.#unusedSince].filter(([, since]) => now - since >= ARTIFACT_GRACE_MS).slice(0, MAX_SWEPT);
    for (const [name, since] of due) {
      // Somebody may have asked for it since the last one was deleted.
      if (this.#unusedSince.get(name) !== since) continue;
      this.#unusedSince.delete(name);
      await disk.remove(join(this.#folder, name));
    }
    if (due.length > 0) await disk.syncDirectory(this.#folder);
    return due.length;
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
