import { createHash } from 'node:crypto';
import { backoffMs } from '#base/backoff';
import { formatSize } from '#base/bytes';
import { hasCode, messageOf, PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import type { CommandSpec } from '#model/spec';
import type { World } from '#world/world';
import { type AgentFolders, isArtifact } from './folders.ts';
import { InstallStep } from './install-step.ts';
import { KeyedLock } from './keyed-lock.ts';
import { PrepareFailure } from './prepare-failure.ts';
import type { ArtifactSource, Unpack } from './sources.ts';

/** An archive larger than this is refused before it fills the disk. */
export const MAX_ARTIFACT_BYTES = 512 * 1024 * 1024;
/** Releases kept although no instance uses them, so that going back is quick. */
const keptReleases = 3;
const RETRY = { baseMs: 250, capMs: 5_000, jitter: 0.25 } as const;

interface FetchOptions {
  readonly timeoutMs: number;
  readonly onReason: (reason: string) => void;
  readonly signal: AbortSignal;
}

interface InstallOptions {
  readonly command: CommandSpec;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

interface ReleaseParts {
  readonly folders: AgentFolders;
  readonly artifacts: ArtifactSource;
  readonly unpack: Unpack;
  /** The agent's own PATH, for install steps. */
  readonly path: string;
}

/**
 * The releases unpacked on this node, a folder for each artifact, whoever uses it.
 *
 * Invariants: S1 a folder named by a digest holds exactly what the archive of that digest holds, plus what its install steps made; it appears by a rename when whole. S2 one
 * fetch and one install per artifact at a time. S3 an install counts as done only by a marker written after it succeeded.
 */
export class ReleaseStore {
  readonly #world: World;
  readonly #parts: ReleaseParts;
  readonly #lock = new KeyedLock();
  readonly #install: InstallStep;

  constructor(world: World, parts: ReleaseParts) {
    this.#world = world;
    this.#parts = parts;
    this.#install = new InstallStep(world, { path: parts.path });
  }

  /** Ends what an agent before us left half done. */
  async recover(): Promise<void> {
    const { disk } = this.#world;
    const { releases } = this.#parts.folders;
    await disk.makeDirectory(releases);
    for (const name of await disk.list(releases)) {
      if (name.startsWith('new-')) await disk.remove(`${releases}/${name}`);
      if (name.endsWith('.installing')) await this.#install.endLeftover(`${releases}/${name}`);
    }
  }

  /** True when the artifact is here, and installed if a command is given. */
  async has(artifact: string, install: CommandSpec | undefined): Promise<boolean> {
    const { disk } = this.#world;
    if (!(await disk.stat(this.#parts.folders.release(artifact)))) return false;
    return !install || (await disk.stat(this.#marker(artifact, install))) !== undefined;
  }

  /** Brings the artifact to this node. While its source is away it tries again until the timeout; then, or when the archive is bad, PrepareFailure. */
  async fetch(artifact: string, { timeoutMs, onReason, signal }: FetchOptions): Promise<void> {
    const { clock, random } = this.#world;
    if (!isArtifact(artifact)) throw new PrepareFailure('fetch-failed', `Cannot fetch "${artifact.slice(0, 80)}", because it is not a content address`);
    const overdue = new AbortController();
    using _timer = clock.after(timeoutMs, () => overdue.abort(new PlatformError('TIMEOUT', `Cannot fetch ${artifact} within ${timeoutMs} ms`)));
    using _stopping = onAbort(signal, (reason) => overdue.abort(reason));
    let last = 'it took too long';
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#lock.run(artifact, () => this.#fetchOnce(artifact, overdue.signal), overdue.signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof PrepareFailure) throw error;
        if (overdue.signal.aborted) throw new PrepareFailure('fetch-failed', `Cannot fetch ${artifact} within ${timeoutMs} ms: ${last}`, { cause: error });
        last = messageOf(error);
        onReason(`fetching, tried ${attempt + 1} times: ${last}`);
        await clock.sleep(backoffMs(RETRY, attempt, random.next()), overdue.signal).catch(() => undefined);
      }
    }
  }

  /** Runs the install command in the artifact's folder, once per command. PrepareFailure with its last lines if it fails. */
  async install(artifact: string, { command, environment, signal }: InstallOptions): Promise<void> {
    const folder = this.#parts.folders.release(artifact);
    await this.#lock.run(
      artifact,
      async () => {
        if (await this.has(artifact, command)) return;
        await this.#install.run(folder, { command, environment, signal });
        await this.#touch(this.#marker(artifact, command));
      },
      signal,
    );
  }

  /** Removes releases that are neither in use nor among the last few. */
  async sweep(inUse: ReadonlySet<string>): Promise<void> {
    const { disk } = this.#world;
    const { releases } = this.#parts.folders;
    const names = await disk.list(releases);
    const unused = await Promise.all(
      names
        .filter((name) => isArtifact(name) && !inUse.has(name))
        .map(async (name) => ({ name, at: (await disk.stat(`${releases}/${name}`))?.modifiedAt ?? 0 })),
    );
    unused.sort((a, b) => b.at - a.at || (a.name < b.name ? -1 : 1));
    for (const { name } of unused.slice(keptReleases)) {
      await this.#lock.run(name, async () => {
        // The markers first: a folder without them is only installed again.
        for (const file of names) if (file.startsWith(`${name}.`)) await disk.remove(`${releases}/${file}`);
        await disk.remove(`${releases}/${name}`);
      });
    }
  }

  async #fetchOnce(artifact: string, signal: AbortSignal): Promise<void> {
    const { disk, random } = this.#world;
    const folder = this.#parts.folders.release(artifact);
    if (await disk.stat(folder)) return;
    const work = `${this.#parts.folders.releases}/new-${[...random.bytes(8)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
    try {
      await disk.makeDirectory(work);
      await this.#download(artifact, `${work}/archive`, signal);
      await this.#unpack(artifact, work, signal);
      await disk.rename(`${work}/files`, folder);
      await disk.syncDirectory(this.#parts.folders.releases);
    } finally {
      await disk.remove(work);
    }
  }

  async #download(artifact: string, path: string, signal: AbortSignal): Promise<void> {
    const hash = createHash('sha256');
    let offset = 0;
    await using file = await this.#world.disk.open(path, 'create');
    for await (const chunk of await this.#parts.artifacts.open(artifact, { signal })) {
      signal.throwIfAborted();
      if (offset + chunk.length > MAX_ARTIFACT_BYTES) {
        throw new PrepareFailure('fetch-failed', `Cannot fetch ${artifact}, because it is larger than ${formatSize(MAX_ARTIFACT_BYTES)}`);
      }
      hash.update(chunk);
      await file.write(offset, chunk);
      offset += chunk.length;
    }
    const digest = `sha256-${hash.digest('hex')}`;
    // Worth another try: the way here may have damaged it, or it was cut off.
    if (digest !== artifact)
      throw new PlatformError('CORRUPT', `Cannot use ${artifact}, because the ${offset} bytes that came are ${digest}`, { artifact, digest });
  }

  async #unpack(artifact: string, work: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#parts.unpack(`${work}/archive`, `${work}/files`, { signal });
    } catch (error) {
      if (!hasCode(error, 'INVALID') && !hasCode(error, 'TOO_LARGE')) throw error;
      throw new PrepareFailure('fetch-failed', `Cannot unpack ${artifact}: ${error.message}`, { cause: error });
    }
  }

  #marker(artifact: string, command: CommandSpec): string {
    const hash = createHash('sha256').update(JSON.stringify(command.command)).digest('hex');
    return `${this.#parts.folders.release(artifact)}.installed-${hash.slice(0, 16)}`;
  }

  async #touch(path: string): Promise<void> {
    {
      await using file = await this.#world.disk.open(path, 'create');
      await file.sync();
    }
    await this.#world.disk.syncDirectory(this.#parts.folders.releases);
  }
}
