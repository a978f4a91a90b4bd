import { type ChildProcess, fork } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';

/**
 * Options of V8 for a process that runs a few hot functions and makes little garbage.
 *
 * The first two let TurboFan inline the scanners and writers of heads into their callers: a tenth of the time spent in JavaScript. The others keep memory small: a
 * young generation that a processor's cache can hold, an old one that is looked through before thousands of connections that have ended lie in it (11 MiB), and no second
 * optimizing compiler beside TurboFan, which makes all that is hot a few seconds later.
 */
const ENGINE_OPTIONS = [
  '--max-inlined-bytecode-size=2000',
  '--max-inlined-bytecode-size-cumulative=6000',
  '--max-semi-space-size=1',
  '--initial-old-space-size=8',
  '--no-maglev',
];
/** What glibc's malloc keeps apart per thread: next to all is the one event loop's, and each arena more takes a MiB. */
const mallocArenas = '1';

/** Beside this file, with the same ending: `.ts` as written, `.js` as built. */
const workerEntry = import.meta.filename.replace(/worker-process\.([jt]s)$/, 'worker.main.$1');

/** Starts a worker's process. */
export function startWorkerProcess(): ChildProcess {
  // What is compiled already need not be made from TypeScript again, and who need not do that has 30 MiB less.
  const cache = process.env['NODE_COMPILE_CACHE'] ?? getCompileCacheDir();
  return fork(workerEntry, [], {
    execPath: process.execPath,
    execArgv: ENGINE_OPTIONS,
    env: { MALLOC_ARENA_MAX: mallocArenas, ...process.env, ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }) },
    serialization: 'json',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}
