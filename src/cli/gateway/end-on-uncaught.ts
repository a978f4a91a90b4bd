import type { Log } from '#world/world';
import { EXIT } from '../exit-codes.ts';

/** The part of Node's `process` that is needed here. */
interface Ending {
  on(event: 'uncaughtException', listener: (error: unknown) => void): unknown;
  exit(code: number): void;
}

/**
 * An error that nobody caught in a gateway's first process ends it at once, and its log says what it was. Nobody knows what state it is in, so it does not go on; its workers
 * end what is in flight without it, while whoever supervises it starts another.
 */
export function endOnUncaught(process: Ending, log: Log): void {
  process.on('uncaughtException', (error) => {
    const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.write('error', 'gateway met an error that nobody caught and ends; its workers end what is in flight', { cause });
    process.exit(EXIT.failed);
  });
}
