import { PlatformError } from '#base/errors';

/** Aborts on the first SIGTERM or SIGINT, for programs that stop in order. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort(new PlatformError('ABORTED', `Stopped by ${signal}`)));
  return stop.signal;
}
