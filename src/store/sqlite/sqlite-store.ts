import { PlatformError } from '#base/errors';
import type { Clock, Random } from '#world/world';
import { MemoryStore } from '../memory/memory-store.ts';
import { type HistoryLimits, Mvcc } from '../mvcc.ts';
import { SqliteJournal } from './sqlite-journal.ts';
import { corrupt } from './state-file.ts';

export interface SqliteStoreOptions {
  readonly world: { readonly clock: Clock; readonly random: Random };
  /** A folder of its own; made if missing, for the owner only. */
  readonly directory: string;
  readonly history?: HistoryLimits;
  /** The file never grows beyond this. */
  readonly limitBytes?: number;
  /** With less room than this on the disk or under the limit, puts are refused with LIMIT, so that deletions still work. */
  readonly reserveBytes?: number;
}

/**
 * The embedded store: everything in memory, every change in a SQLite file before it is answered. Leases begin their whole duration again.
 * LOCKED if another process has the folder (details: `pid`), CORRUPT if stored bytes changed, UNSUPPORTED if a newer version wrote it.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<MemoryStore> {
  const { world, directory, limitBytes = 8 * 2 ** 30, reserveBytes = 64 * 2 ** 20 } = options;
  const { journal, image } = await SqliteJournal.open({ directory, limitBytes, reserveBytes });
  try {
    const state = Mvcc.restore(image, world.clock.now());
    return new MemoryStore(world, { state, journal, ...(options.history ? { history: options.history } : {}) });
  } catch (error) {
    await journal.close();
    if (error instanceof PlatformError && error.code === 'CORRUPT') throw corrupt(directory, error.message, error.details);
    throw error;
  }
}
