import { join } from 'node:path';
import { PlatformError } from '#base/errors';
import { waitForLock } from '#world/wait-for-lock';
import type { World } from '#world/world';
import { type Home, pathsOf } from '../home.ts';

/** Longer than stopping everything takes. */
const HELD_AT_MOST_MS = 20_000;

/**
 * One command at a time decides whether Haven runs here: two that start it would each make a supervisor of which only one is on record.
 * The run folder must exist. LOCKED when it is not free in time.
 */
export async function takeLifecycleLock(world: World, home: Home, signal?: AbortSignal): Promise<Disposable> {
  const lock = await waitForLock(world, join(pathsOf(home).run, 'lifecycle.lock'), { withinMs: HELD_AT_MOST_MS, signal });
  if (lock) return lock;
  throw new PlatformError(
    'LOCKED',
    `Cannot start or stop Haven in ${home.directory}, because another command has been at it for ${HELD_AT_MOST_MS / 1_000} s`,
    {
      next: 'wait for that command, or end it',
    },
  );
}
