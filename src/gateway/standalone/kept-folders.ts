import { access, constants, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, PlatformError } from '#base/errors';
import type { SecuredListener } from './secure-config.ts';

/** A folder that a gateway writes to, and the key of its file that wants it. */
export interface KeptFolder {
  readonly path: string;
  readonly key: string;
  /** What to do where it cannot be had. */
  readonly next: string;
}

/** Only the gateway's user reads what it keeps. */
const privateMode = 0o700;

export function accessLogFolder(path: string): KeptFolder {
  return { path, key: 'accessLog', next: 'name a folder that the gateway may write to' };
}

/** Where certificates that are ordered are kept, if any are: without it each start would order anew, and authorities allow few orders a week. */
export function orderedFolder(listeners: readonly SecuredListener[], path: string): KeptFolder | undefined {
  const isNeeded = listeners.some(({ auto }) => auto !== undefined && auto.names.length > 0);
  return isNeeded ? { path, key: 'tls: auto', next: 'name a folder that the gateway may write to with "state" in the file' } : undefined;
}

/** Makes the folder if it is not there. INVALID if it cannot be had or not be written to: better now than whenever something is to be kept. */
export async function makeFolder(folder: KeptFolder): Promise<void> {
  try {
    await mkdir(folder.path, { recursive: true, ...(folder.key === 'accessLog' ? {} : { mode: privateMode }) });
    await access(folder.path, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusable(folder, (await obstacleTo(folder.path))?.why ?? messageOf(error), error);
  }
}

/**
 * Finds out whether `makeFolder` would succeed, and makes nothing. INVALID if it would fail whoever asks; a sentence without a full stop if it would fail for
 * the user of this process, who need not be the gateway's.
 */
export async function lookAtFolder(folder: KeptFolder): Promise<string | undefined> {
  const obstacle = await obstacleTo(folder.path);
  if (obstacle === undefined) return undefined;
  const error = unusable(folder, obstacle.why);
  if (!obstacle.isForThisUser) throw error;
  return `${error.message}; the user that the gateway runs as has to`;
}

interface Obstacle {
  /** Goes on after "because". */
  readonly why: string;
  readonly isForThisUser: boolean;
}

/** What stands in the way of a folder there, as far as it shows from the nearest part of its path that exists. */
async function obstacleTo(path: string): Promise<Obstacle | undefined> {
  try {
    if (!(await stat(path)).isDirectory()) return { why: `${path} is no folder`, isForThisUser: false };
    await access(path, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT':
      case 'ENOTDIR':
        return dirname(path) === path ? undefined : await obstacleTo(dirname(path));
      case 'EACCES':
      case 'EPERM':
        return { why: `this user may not write to ${path}`, isForThisUser: true };
      case 'EROFS':
        return { why: `${path} is on a file system that cannot be written`, isForThisUser: false };
      default:
        return { why: messageOf(error), isForThisUser: false };
    }
  }
}

function unusable({ path, key, next }: KeptFolder, why: string, cause?: unknown): PlatformError {
  return new PlatformError('INVALID', `Cannot use ${path} for "${key}", because ${why}`, { folder: path, next }, { cause });
}
