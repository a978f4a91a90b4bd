import { closeSync, openSync, readSync } from 'node:fs';
import type { ProcessExit, ProcessIdentity } from '../world.ts';
import { isLiving, readProcessFactsNow } from './process-facts.ts';

/** How often adopted processes, which are not our children, are looked at for their end. */
const pollMs = 250;
/** Of a process that was not our child. */
export const hasEnded: Promise<ProcessExit> = Promise.resolve({ code: undefined, signal: undefined });
/** More than a line of /proc/<pid>/stat can have. */
const statBytes = 1_024;

interface Watched {
  readonly identity: ProcessIdentity;
  /** Of its /proc/<pid>/stat. The kernel ties it to this one process: when that has gone it answers ESRCH, whoever has the pid then. */
  readonly file: number | undefined;
  readonly onEnd: (exit: ProcessExit) => void;
}

/**
 * Notices the end of processes that are not our children, all of them with one timer and one read each: no promise, no open, nothing for the thread pool. How
 * they ended is known to their parent only. Does not keep this program alive.
 */
export class ExitWatch {
  readonly #watched = new Set<Watched>();
  readonly #buffer = Buffer.alloc(statBytes);
  #timer: NodeJS.Timeout | undefined;

  /** Resolves when the process is not there any more, or only as a zombie. */
  watch(identity: ProcessIdentity): Promise<ProcessExit> {
    const exit = Promise.withResolvers<ProcessExit>();
    const file = openStat(identity.pid);
    // The pid may have passed to another before the file was opened; afterwards that cannot matter.
    const isSame = readProcessFactsNow(identity.pid)?.startTicks === identity.startTicks;
    if (!isSame && file !== undefined) closeSync(file);
    if (!isSame) return hasEnded;
    const one: Watched = { identity, file, onEnd: exit.resolve };
    this.#watched.add(one);
    this.#timer ??= setInterval(() => this.#look(), pollMs).unref();
    this.#lookAt(one);
    return exit.promise;
  }

  #look(): void {
    for (const one of this.#watched) this.#lookAt(one);
  }

  #lookAt(one: Watched): void {
    if (this.#isRunning(one)) return;
    this.#watched.delete(one);
    if (one.file !== undefined) closeSync(one.file);
    if (this.#watched.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    one.onEnd({ code: undefined, signal: undefined });
  }

  #isRunning({ identity, file }: Watched): boolean {
    if (file !== undefined) return this.#isAlive(file);
    const facts = readProcessFactsNow(identity.pid);
    return facts !== undefined && isLiving(facts) && facts.startTicks === identity.startTicks;
  }

  /** Only the state is looked at, one letter after the command's closing parenthesis. */
  #isAlive(file: number): boolean {
    try {
      const length = readSync(file, this.#buffer, 0, statBytes, 0);
      const state = this.#buffer[this.#buffer.lastIndexOf(closing, length - 1) + 2];
      return length > 0 && state !== zombie && state !== dead;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw error;
    }
  }
}

const [closing, zombie, dead] = [')'.charCodeAt(0), 'Z'.charCodeAt(0), 'X'.charCodeAt(0)];

/** `undefined` when it has gone, or when no more files can be open: then it is looked up by its pid. */
function openStat(pid: number): number | undefined {
  try {
    return openSync(`/proc/${pid}/stat`, 'r');
  } catch {
    return undefined;
  }
}
