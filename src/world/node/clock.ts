import { sleepBy } from '../sleep.ts';
import type { Clock, Instant, UnixMs } from '../world.ts';

/** The longest delay a Node timer takes; a longer wait is made of several. */
const maxTimerMs = 2 ** 31 - 1;

/** The machine's clock: CLOCK_MONOTONIC counted from the start of this process. Never fires early. */
export class NodeClock implements Clock {
  now(): Instant {
    return performance.now() as Instant;
  }

  wall(): UnixMs {
    return Date.now() as UnixMs;
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    await sleepBy(this, delayMs, signal);
  }

  after(delayMs: number, callback: () => void): Disposable {
    const dueAt = performance.now() + delayMs;
    let timer: NodeJS.Timeout;
    const arm = (waitMs: number): void => {
      timer = setTimeout(
        () => {
          // Node rounds to whole milliseconds of its loop's cached time, so a timer may come up to 1 ms early.
          const leftMs = dueAt - performance.now();
          if (leftMs > 0) arm(leftMs);
          else callback();
        },
        Math.min(maxTimerMs, Math.max(0, Math.ceil(waitMs))),
      );
    };
    arm(delayMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }
}
