import { setTimeout as sleep } from 'node:timers/promises';
import { HavenError } from '@haven/sdk';

const RETRY_MS = 500;
const AWAY_MS = 60_000;

/**
 * The lines of a stream that is opened again when the control plane restarts or the link breaks, for a minute at most without a line. `open` is told whether it
 * is the first time. Ends when a stream ends by itself, or quietly when the signal aborts.
 */
export async function* resumed<Line>(
  open: (isFirst: boolean) => AsyncIterable<Line>,
  options: { readonly signal: AbortSignal; readonly onAway?: () => void },
): AsyncGenerator<Line, void, undefined> {
  let heardAt = performance.now();
  let isFirst = true;
  while (true) {
    try {
      for await (const line of open(isFirst)) {
        heardAt = performance.now();
        isFirst = false;
        yield line;
      }
      return;
    } catch (error) {
      // A first try that fails is no restart but a mistake.
      const isAway = error instanceof HavenError && error.code === 'UNAVAILABLE' && !isFirst;
      if (!isAway || performance.now() - heardAt > AWAY_MS) throw error;
      options.onAway?.();
      await sleep(RETRY_MS, undefined, { signal: options.signal }).catch(() => undefined);
      if (options.signal.aborted) return;
    }
  }
}
