import { closeSync, constants, openSync } from 'node:fs';

/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/**
 * Makes the file for the owner only, which SQLite would not see to; what is there already stays as it is and is not opened. Whichever file a process closes, the kernel
 * takes all the locks from it that this process has on that file (fcntl_locking(2)); so nobody may have locked it in between.
 */
export function makeEmptyFile(path: string): void {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** The lock of a file that SQLite keeps empty, or `undefined` while another has it. The kernel holds it, and gives it back however its process ends. */
export async function lockEmptyFile(path: string): Promise<Disposable | undefined> {
  // Not before somebody locks something: most processes never do.
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA busy_timeout=0; BEGIN EXCLUSIVE;');
  } catch (error) {
    database.close();
    if ((error as { errcode?: unknown }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  const held = new DisposableStack();
  held.defer(() => database.close());
  return held;
}
