import type { World } from './world.ts';

const pollMs = 50;

/** The lock of a file, as `Disk.lock` gives it; `undefined` if another still has it after `withinMs`. Rejects with the signal's reason if it aborts first. */
export async function waitForLock(
  { clock, disk }: Pick<World, 'clock' | 'disk'>,
  path: string,
  { withinMs, signal }: { readonly withinMs: number; readonly signal?: AbortSignal | undefined },
): Promise<Disposable | undefined> {
  const deadline = clock.now() + withinMs;
  while (true) {
    const lock = await disk.lock(path);
    if (lock !== undefined || clock.now() >= deadline) return lock;
    await clock.sleep(pollMs, signal);
  }
}
