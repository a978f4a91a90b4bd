import { PlatformError } from './errors.ts';

/** Calls `onAbort` once when the signal aborts, at once if it has. Dispose to stop listening. */
export function onAbort(signal: AbortSignal | undefined, callback: (reason: unknown) => void): Disposable {
  if (!signal) return { [Symbol.dispose]() {} };
  if (signal.aborted) {
    callback(signal.reason);
    return { [Symbol.dispose]() {} };
  }
  const listener = () => callback(signal.reason);
  signal.addEventListener('abort', listener, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', listener) };
}

/** The promise's outcome, or a rejection with the signal's reason if it aborts first. The promise itself goes on. */
export async function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return await promise;
  const aborted = Promise.withResolvers<never>();
  using _listening = onAbort(signal, aborted.reject);
  return await Promise.race([promise, aborted.promise]);
}

/** Resolves when the promise does, or when the signal aborts first; rejects only as the promise does. The promise itself goes on. */
export async function settledOrAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  using _listening = onAbort(signal, () => aborted.resolve());
  await Promise.race([promise, aborted.promise]);
}

/** True when the error is the signal's own reason or an abort: the caller asked for the end, nothing failed. */
export function isAbort(error: unknown, signal: AbortSignal): boolean {
  return (
    signal.aborted &&
    (error === signal.reason || (error instanceof PlatformError && error.code === 'ABORTED') || (error instanceof Error && error.name === 'AbortError'))
  );
}
