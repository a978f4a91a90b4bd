import { setTimeout as sleep } from 'node:timers/promises';
import { HavenError } from '@haven/sdk';
import { PlatformError } from '#base/errors';

const POLL_MS = 200;

/** What waiting came to: the value, or that the time was up. */
export type Polled<Value> = { readonly done: true; readonly value: Value } | { readonly done: false };

/**
 * Asks again and again until `ask` gives something or the time is up. A control plane that restarts meanwhile is waited for.
 * Rejects with the signal's reason if it aborts first.
 */
export async function poll<Value>(
  ask: () => Promise<Value | undefined>,
  options: { readonly timeoutMs: number; readonly intervalMs?: number; readonly signal: AbortSignal },
): Promise<Polled<Value>> {
  const deadline = performance.now() + options.timeoutMs;
  while (true) {
    options.signal.throwIfAborted();
    const value = await ask().catch((error: unknown) => {
      if (isAway(error)) return undefined;
      throw error;
    });
    if (value !== undefined) return { done: true, value };
    if (performance.now() >= deadline) return { done: false };
    await sleep(options.intervalMs ?? POLL_MS, undefined, { signal: options.signal }).catch(() => options.signal.throwIfAborted());
  }
}

/** True for an error that may be gone at the next try. */
function isAway(error: unknown): boolean {
  return error instanceof HavenError && (error.code === 'UNAVAILABLE' || error.code === 'TIMEOUT');
}

/** Thrown when a wait ends without what was waited for; the exit code is that of a timeout. */
export function timeIsUp(message: string, details: Readonly<Record<string, unknown>> = {}): PlatformError {
  return new PlatformError('TIMEOUT', message, details);
}

/** A signal that also aborts after `timeoutMs`, and whether that is why. Dispose to let go of the timer. */
export function bounded(signal: AbortSignal, timeoutMs: number | undefined): Disposable & { readonly signal: AbortSignal; readonly isLate: () => boolean } {
  const late = new AbortController();
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => late.abort(timeIsUp('The time is up')), timeoutMs);
  return {
    signal: AbortSignal.any([signal, late.signal]),
    isLate: () => late.signal.aborted && !signal.aborted,
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
