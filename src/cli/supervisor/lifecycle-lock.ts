import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PlatformError } from '#base/errors';
import type { World } from '#world/world';
import { type Home, pathsOf } from '../home.ts';

/** Longer than stopping everything takes. */
const HELD_AT_MOST_MS = 20_000;
const POLL_MS = 50;
/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/**
 * One command at a time decides whether Haven runs here: two that start it would each make a supervisor of which only one is on record.
 * The kernel holds the lock, on a file that SQLite keeps empty, and gives it back however its holder ends. The run folder must exist. LOCKED when it is not free in time.
 */
export async function takeLifecycleLock(world: World, home: Home, signal?: AbortSignal): Promise<Disposable> {
  const path = join(pathsOf(home).run, 'lifecycle.lock');
  const deadline = world.clock.now() + HELD_AT_MOST_MS;
  while (true) {
    const lock = tryLock(path);
    if (lock) return lock;
    if (world.clock.now() >= deadline) {
      throw new PlatformError(
        'LOCKED',
        `Cannot start or stop Haven in ${home.directory}, because another command has been at it for ${HELD_AT_MOST_MS / 1_000} s`,
        {
          next: 'wait for that command, or end it',
        },
      );
    }
    await world.clock.sleep(POLL_MS, signal);
  }
}

function tryLock(path: string): Disposable | undefined {
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA busy_timeout=0; BEGIN EXCLUSIVE;');
    return { [Symbol.dispose]: () => database.close() };
  } catch (error) {
    database.close();
    if ((error as { errcode?: unknown }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
}
