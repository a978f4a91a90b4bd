import { onAbort } from '#base/signal';
import type { Clock } from './world.ts';

/** What `Clock.sleep` is, by what `Clock.after` does. */
export async function sleepBy(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const over = Promise.withResolvers<void>();
  using _timer = clock.after(delayMs, over.resolve);
  using _listening = onAbort(signal, over.reject);
  await over.promise;
}
