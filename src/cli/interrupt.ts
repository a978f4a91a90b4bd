import { PlatformError } from '#base/errors';

/** Ctrl-C reaches a command more than once when whoever started it, such as npm, hands on what the terminal sent to all of them. */
const SAME_PRESS_MS = 1_000;

/** The part of Node's `process` that is needed here. */
interface Signalled {
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown;
  exit(code: number): void;
}

/**
 * Aborts at the first SIGINT, SIGTERM or SIGHUP: the command ends in order, also when its terminal was closed and nobody reads on.
 * One that comes later than `SAME_PRESS_MS` after the first means at once: the process exits with `exitCode`.
 */
export function onInterrupt(process: Signalled, options: { readonly exitCode: number; readonly nowMs: () => number }): AbortSignal {
  const interrupt = new AbortController();
  let firstAtMs: number | undefined;
  const take = () => {
    const atMs = options.nowMs();
    firstAtMs ??= atMs;
    if (atMs - firstAtMs > SAME_PRESS_MS) process.exit(options.exitCode);
    interrupt.abort(new PlatformError('ABORTED', 'Interrupted'));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, take);
  return interrupt.signal;
}
