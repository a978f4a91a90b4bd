import { PlatformError } from '#base/errors';

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Runs one of Haven's own programs to its end. `signal` aborts on SIGTERM and SIGINT, for stopping in order; then the process exits with 0. */
export async function runProgram(program: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort(new PlatformError('ABORTED', `Stopped by ${signal}`)));
  // Waiting for a process that is not our child keeps no event loop alive by itself.
  const alive = setInterval(() => {}, LONGEST_TIMER_MS);
  await program(stop.signal);
  clearInterval(alive);
  process.exit(0);
}
