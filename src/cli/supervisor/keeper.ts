import { join } from 'node:path';
import { type Backoff, backoffMs } from '#base/backoff';
import { messageOf } from '#base/errors';
import { isAbort, unlessAborted } from '#base/signal';
import { readRecord, writeRecord } from '#world/files';
import type { ProcessIdentity, ProcessSpec, RunningProcess, World } from '#world/world';

const RESTART: Backoff = { baseMs: 200, capMs: 5_000, jitter: 0.25 };
const STEADY_AFTER_MS = 30_000;
const HOLD_POLL_MS = 100;

/**
 * Keeps one of Haven's own processes running: starts it, finds it again after the supervisor's own restart, starts it anew with back-off when it ends.
 * While the file `NAME.hold` lies in the run folder it is not started: for maintenance, and for showing what happens without it.
 */
export class Keeper {
  readonly name: string;
  readonly #world: World;
  readonly #runDirectory: string;
  readonly #spec: ProcessSpec;
  #process: RunningProcess | undefined;

  constructor(world: World, options: { readonly name: string; readonly runDirectory: string; readonly spec: ProcessSpec }) {
    this.#world = world;
    this.name = options.name;
    this.#runDirectory = options.runDirectory;
    this.#spec = options.spec;
  }

  get process(): RunningProcess | undefined {
    return this.#process;
  }

  /** Until the signal aborts; the process is then still running: see `endRecorded`. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#world;
    let failures = 0;
    while (!signal.aborted) {
      const startedAt = clock.now();
      try {
        while (await this.#isHeld()) await clock.sleep(HOLD_POLL_MS, signal);
        this.#process = (await this.#adopt()) ?? (await this.#start());
        const exit = await unlessAborted(this.#process.exited, signal);
        log.write('warn', `${this.name} ended`, { code: exit.code, signal: exit.signal });
      } catch (error) {
        if (isAbort(error, signal)) return;
        log.write('error', `cannot keep ${this.name} running`, { cause: messageOf(error) });
      }
      this.#process = undefined;
      failures = clock.now() - startedAt > STEADY_AFTER_MS ? 0 : failures + 1;
      await clock.sleep(backoffMs(RESTART, failures - 1, random.next()), signal).catch(() => undefined);
    }
  }

  get #recordPath(): string {
    return join(this.#runDirectory, `${this.name}.json`);
  }

  async #isHeld(): Promise<boolean> {
    return (await this.#world.disk.stat(join(this.#runDirectory, `${this.name}.hold`))) !== undefined;
  }

  async #adopt(): Promise<RunningProcess | undefined> {
    const identity = await readIdentity(this.#world, this.#recordPath);
    return identity && (await this.#world.processes.adopt(identity));
  }

  async #start(): Promise<RunningProcess> {
    const process = await this.#world.processes.spawn(this.#spec);
    await writeIdentity(this.#world, this.#recordPath, process.identity);
    return process;
  }
}

/** SIGTERM to the whole group, SIGKILL to what is left of it after `graceMs`. */
export async function stopProcess(world: World, process: RunningProcess, graceMs: number): Promise<void> {
  await process.signal('SIGTERM');
  const deadline = world.clock.now() + graceMs;
  while (await process.hasMembers()) {
    if (world.clock.now() >= deadline) {
      await process.signal('SIGKILL');
      return;
    }
    await world.clock.sleep(25);
  }
}

/** The recorded process, whether it still runs or not; `undefined` if there is no record or none that can be read. */
export async function readIdentity(world: World, path: string): Promise<ProcessIdentity | undefined> {
  const record = await readRecord(world.disk, path).catch((error: unknown) => {
    world.log.write('warn', 'ignored an unreadable process record', { path, cause: messageOf(error) });
    return undefined;
  });
  return record?.value as ProcessIdentity | undefined;
}

export async function writeIdentity(world: World, path: string, identity: ProcessIdentity): Promise<void> {
  await writeRecord(world.disk, path, identity);
}

/** Nothing is left to find: the copy before goes too. */
export async function forgetIdentity(world: World, path: string): Promise<void> {
  await world.disk.remove(path);
  await world.disk.remove(`${path}.previous`);
}
