import type { Disk } from '#world/world';

/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/**
 * The turn to order with what is kept in this folder; `undefined` while another process has it, or another gateway of this one. The kernel holds the lock, on a file that
 * SQLite keeps empty, and gives it back however its holder ends. Makes the folder.
 */
export async function takeOrderTurn(disk: Disk, folder: string): Promise<Disposable | undefined> {
  const path = `${folder}/orders.lock`;
  await disk.makeDirectory(folder);
  // For the owner only, which SQLite would not see to.
  await (await disk.open(path, 'create'))[Symbol.asyncDispose]();
  const { DatabaseSync } = await import('node:sqlite');
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
