import { messageOf } from '#base/errors';
import type { Route } from '#model/route';
import { readRecord, writeRecord } from '#world/files';
import type { UnixMs, World } from '#world/world';

/** The last routes this gateway had in force, for a start without control (L1). */
export interface SavedRoutes {
  readonly revision: number;
  readonly savedAt: UnixMs;
  readonly routes: readonly Route[];
  /** Keys of the backends that passed their checks. */
  readonly passing?: readonly string[];
}

const fileName = 'routes.json';

/** Keeps the last known routes in the gateway's folder: whole, checksummed, one write at a time, the newest last. */
export class RouteStore {
  readonly #world: World;
  readonly #directory: string;
  #waiting: SavedRoutes | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;

  constructor(world: World, directory: string) {
    this.#world = world;
    this.#directory = directory;
  }

  /** What was saved last; `undefined` if there is nothing that can be trusted, which is logged. */
  async load(): Promise<SavedRoutes | undefined> {
    const { disk, log } = this.#world;
    await disk.makeDirectory(this.#directory);
    try {
      const record = await readRecord(disk, this.#path);
      if (record === undefined) return undefined;
      if (record.fellBackBecause !== undefined) log.write('warn', 'saved routes are the copy before the last', { cause: record.fellBackBecause });
      return isSavedRoutes(record.value) ? record.value : undefined;
    } catch (error) {
      log.write('error', 'saved routes cannot be used', { cause: messageOf(error) });
      return undefined;
    }
  }

  /** Saves in the background; of several in a row only the last need reach the disk. */
  save(routes: SavedRoutes): void {
    this.#waiting = routes;
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#writing = this.#drain();
  }

  /** Resolves when what was handed over is on disk. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  get #path(): string {
    return `${this.#directory}/${fileName}`;
  }

  async #drain(): Promise<void> {
    while (this.#waiting !== undefined) {
      const next = this.#waiting;
      this.#waiting = undefined;
      try {
        await writeRecord(this.#world.disk, this.#path, next);
      } catch (error) {
        this.#world.log.write('error', 'routes could not be saved', { cause: messageOf(error) });
      }
    }
    this.#isWriting = false;
  }
}

function isSavedRoutes(value: unknown): value is SavedRoutes {
  if (typeof value !== 'object' || value === null) return false;
  const { revision, savedAt, routes } = value as Partial<SavedRoutes>;
  return typeof revision === 'number' && typeof savedAt === 'number' && Array.isArray(routes);
}
