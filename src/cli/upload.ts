import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HavenClient } from '@haven/sdk';
import { type Packed, packFolder } from '#agent/archive/pack-folder';
import { formatSize } from '#base/bytes';
import { hasCode, PlatformError } from '#base/errors';
import type { CommandContext } from './command.ts';
import { shown } from './config/load-config.ts';
import { LiveScreen } from './live-screen.ts';
import { plural } from './output.ts';

const SHOW_EVERY_BYTES = 256 * 1024;

/** Packs the folder and uploads it unless the cluster has the same content; resolves to its content address. */
export async function upload({ output, signal }: CommandContext, client: HavenClient, folder: string): Promise<string> {
  return await withPacked(folder, signal, async (packed, path) => {
    const what = `${shown(folder)} (${plural(packed.entries, 'file')}, ${formatSize(packed.sizeBytes)})`;
    if (await client.hasArtifact(packed.artifact, { signal })) {
      output.progress(`The cluster has ${what} already`);
      return packed.artifact;
    }
    using screen = output.interactive ? new LiveScreen(process.stderr) : undefined;
    if (!screen) output.progress(`Uploading ${what}`);
    const body = counted(createReadStream(path), (sentBytes) => screen?.draw([`Uploading ${what}: ${formatSize(sentBytes)}`]));
    await client.putArtifact(packed.artifact, body, { signal, sizeBytes: packed.sizeBytes });
    screen?.draw([`Uploaded ${what}`]);
    return packed.artifact;
  });
}

/** The content address that the folder would have when uploaded. */
export async function artifactOf(folder: string, signal: AbortSignal): Promise<string> {
  return await withPacked(folder, signal, async ({ artifact }) => artifact);
}

async function withPacked<Value>(folder: string, signal: AbortSignal, use: (packed: Packed, path: string) => Promise<Value>): Promise<Value> {
  const scratch = await mkdtemp(join(tmpdir(), 'haven-upload-'));
  try {
    const path = join(scratch, 'app.tar.gz');
    const packed = await packFolder(folder, { to: path, signal }).catch((error: unknown) => {
      if (!hasCode(error, 'INVALID') && !hasCode(error, 'TOO_LARGE')) throw error;
      const next = 'mend it, or name it in .havenignore to leave it out';
      throw new PlatformError(error.code, `Cannot pack ${shown(folder)}: ${error.message}`, { ...error.details, next }, { cause: error });
    });
    return await use(packed, path);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function* counted(source: AsyncIterable<Uint8Array>, onBytes: (sentBytes: number) => void): AsyncGenerator<Uint8Array, void, undefined> {
  let sentBytes = 0;
  let shownBytes = 0;
  for await (const chunk of source) {
    yield chunk;
    sentBytes += chunk.length;
    if (sentBytes - shownBytes < SHOW_EVERY_BYTES) continue;
    shownBytes = sentBytes;
    onBytes(sentBytes);
  }
}
