import { join } from 'node:path';
import { type Backoff, backoffMs } from '#base/backoff';
import { messageOf } from '#base/errors';
import { isAbort, unlessAborted } from '#base/signal';
import { readRecord, removeRecord, writeRecord } from '#world/files';
import { newProcessToken } from '#world/process-token';
import type { ProcessIdentity, ProcessSpec, RunningProcess, World } from '#world/world';

const RESTART: Backoff = { baseMs: 200, capMs: 5_000, jitter: 0.25 };
const STEADY_AFTER_MS = 30_000;
const HOLD_POLL_MS = 100;
const LEFTOVER_GRACE_MS = 500;

export interface KeeperOptions {
  readonly name: string;
  readonly runDirectory: string;
  readonly spec: ProcessSpec;
  /** What is left of it when its leader has ended alone may go on for so long beside the next one; absent: it is ended first, because it would stand in its way. */
  readonly leftoversMs?: number;
}

/**
 * Keeps one of Haven's own processes running: starts it, finds it again after the supervisor's own restart, starts it anew with back-off when it ends.
 * While the file `NAME.hold` lies in the run folder it is not started: for maintenance, and for showing what happens without it.
 */
export class Keeper {
  readonly name: string;
  readonly #world: World;
  readonly #runDirectory: string;
  readonly #spec: ProcessSpec;
  readonly #leftoversMs: number;
  readonly #leftovers = new Set<Promise<void>>();
  #process: RunningProcess | undefined;

  constructor(world: World, options: KeeperOptions) {
    this.#world = world;
    this.name = options.name;
    this.#runDirectory = options.runDirectory;
    this.#spec = options.spec;
    this.#leftoversMs = options.leftoversMs ?? 0;
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
        this.#process = (await findRecorded(this.#world, this.#recordPath)) ?? (await spawnRecorded(this.#world, this.#recordPath, this.#spec));
        const exit = await unlessAborted(this.#process.exited, signal);
        log.write('warn', `${this.name} ended`, { code: exit.code, signal: exit.signal });
        if (this.#leftoversMs === 0) await stopProcess(this.#world, this.#process, LEFTOVER_GRACE_MS);
        else {
          // It would be found again and taken for the part itself.
          await forgetRecorded(this.#world, this.#recordPath);
          this.#endLater(this.#process, signal);
        }
      } catch (error) {
        if (isAbort(error, signal)) break;
        log.write('error', `cannot keep ${this.name} running`, { cause: messageOf(error) });
      }
      this.#process = undefined;
      failures = clock.now() - startedAt > STEADY_AFTER_MS ? 0 : failures + 1;
      await clock.sleep(backoffMs(RESTART, failures - 1, random.next()), signal).catch(() => undefined);
    }
    await Promise.all(this.#leftovers);
  }

  /** When its time is over, or ours. */
  #endLater(process: RunningProcess, signal: AbortSignal): void {
    const { clock, log } = this.#world;
    const ended = clock
      .sleep(this.#leftoversMs, signal)
      .catch(() => undefined)
      .then(async () => void (await process.signal('SIGKILL')))
      .catch((error: unknown) => log.write('error', `cannot end what is left of ${this.name}`, { cause: messageOf(error) }))
      .finally(() => this.#leftovers.delete(ended));
    this.#leftovers.add(ended);
  }

  get #recordPath(): string {
    return join(this.#runDirectory, `${this.name}.json`);
  }

  async #isHeld(): Promise<boolean> {
    return (await this.#world.disk.stat(join(this.#runDirectory, `${this.name}.hold`))) !== undefined;
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

/** Starts a process that can be found again whatever happens: its token is on disk before it runs, its identity after. */
export async function spawnRecorded(world: World, path: string, spec: ProcessSpec): Promise<RunningProcess> {
  const token = newProcessToken(world.random);
  await writeRecord(world.disk, path, { token } satisfies ProcessRecord);
  const process = await world.processes.spawn({ ...spec, token });
  await writeRecord(world.disk, path, process.identity satisfies ProcessRecord);
  return process;
}

/** What lives of the recorded process; `undefined` if nothing does, or if there is no record that can be read. */
export async function findRecorded(world: World, path: string): Promise<RunningProcess | undefined> {
  const record = await readRecord(world.disk, path).catch((error: unknown) => {
    world.log.write('warn', 'ignored an unreadable process record', { path, cause: messageOf(error) });
    return undefined;
  });
  if (record?.fellBackBecause) world.log.write('warn', 'A process record is read from its copy', { cause: record.fellBackBecause });
  const known = record?.value as ProcessRecord | undefined;
  if (!known) return undefined;
  const { pid, startTicks, bootId, token } = known;
  if (pid === undefined || startTicks === undefined || bootId === undefined) return await world.processes.find(token);
  return await world.processes.adopt({ pid, startTicks, bootId, token });
}

/** Nothing is left to find: the copy before goes too. */
export async function forgetRecorded(world: World, path: string): Promise<void> {
  await removeRecord(world.disk, path);
}

/** Only the token is known between the decision to start and the start. */
type ProcessRecord = Pick<ProcessIdentity, 'token'> & Partial<ProcessIdentity>;
