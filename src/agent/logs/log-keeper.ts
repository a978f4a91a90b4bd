import { hasCode, messageOf } from '#base/errors';
import { isAbort } from '#base/signal';
import { Wakeup } from '#base/wakeup';
import type { Instance } from '#model/instance';
import type { World } from '#world/world';
import type { AgentFolders } from '../folders.ts';
import type { LogFile } from './log-file.ts';
import { type LogLine, LogSlot } from './log-slot.ts';

/** A process that writes little is looked at this often. */
const steadyPollMs = 1_000;
/** However fast one writes, the disk is not asked more often. */
const fastestPollMs = 20;
const followPollMs = 200;
/** Output of a slot that has no instance on this node any more is kept this long. */
const keepRetiredMs = 24 * 3_600_000;

/** Which slot, and of which instance if not of all. */
export interface LogTarget {
  readonly folder: string;
  readonly serial?: number;
}

type SlotOf = Pick<Instance, 'app' | 'service' | 'slot'>;

/** Keeps the output files of every slot bounded, and reads them. The processes write by themselves, so output survives the agent. */
export class LogKeeper {
  readonly #world: World;
  readonly #folders: AgentFolders;
  readonly #limitBytes: number;
  readonly #slotsByFolder = new Map<string, LogSlot>();
  readonly #wakeup = new Wakeup();
  #isFresh = false;

  constructor(world: World, options: { readonly folders: AgentFolders; readonly limitBytes: number }) {
    this.#world = world;
    this.#folders = options.folders;
    this.#limitBytes = options.limitBytes;
  }

  /** The file for an attempt's output, kept bounded until `close`. */
  async open(instance: SlotOf & Pick<Instance, 'serial'>, attempt: number): Promise<LogFile> {
    const slot = await this.#slot(this.#folders.logsOf(instance));
    const file = await slot.open(instance.serial, attempt);
    this.#isFresh = true;
    this.#wakeup.ring();
    return file;
  }

  /** The attempt has ended: its file stays as it is. */
  async close(file: LogFile): Promise<void> {
    await file.poll(this.#limitBytes);
    file.isLive = false;
  }

  /** The last lines of one attempt, oldest first. */
  async lastLines(instance: SlotOf & Pick<Instance, 'serial'>, options: { readonly attempt: number; readonly count: number }): Promise<string[]> {
    const slot = await this.#slot(this.#folders.logsOf(instance));
    const lines = await slot.tail(options.count, instance.serial, options.attempt);
    return lines.map((line) => line.text);
  }

  /** The last `count` lines of the target, oldest first. NOT_FOUND is not an error: no output yet. */
  async tailLines(target: LogTarget, count: number): Promise<LogLine[]> {
    return await (await this.#slot(target.folder)).tail(count, target.serial);
  }

  /** Lines from now on, across attempts and rotations, until the signal aborts. With `tail`, the last ones before come first. */
  async *followLines(target: LogTarget, options: { readonly tail: number; readonly signal: AbortSignal }): AsyncGenerator<LogLine> {
    const { tail, signal } = options;
    const slot = await this.#slot(target.folder);
    const cursor = await slot.cursor(target.serial);
    if (tail > 0) yield* await slot.tailBefore(cursor, tail);
    while (!signal.aborted) {
      yield* slot.advance(cursor, target.serial);
      try {
        await this.#world.clock.sleep(followPollMs, signal);
      } catch (error) {
        if (isAbort(error, signal)) return;
        throw error;
      }
    }
  }

  /** Bounds the files until the signal aborts. Without a live file it sleeps. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#world;
    let polledAt = clock.now();
    let pollMs = fastestPollMs;
    while (!signal.aborted) {
      try {
        const live = [...this.#slotsByFolder.values()].filter((slot) => slot.hasLiveFiles);
        if (live.length === 0) {
          await this.#wakeup.wait(signal);
          polledAt = clock.now();
        }
        let fullestShare = 0;
        for (const slot of live) fullestShare = Math.max(fullestShare, (await slot.poll()) / this.#limitBytes);
        const elapsedMs = Math.max(1, clock.now() - polledAt);
        polledAt = clock.now();
        // At the rate seen, a quarter of the limit is written until the next look; a new attempt's rate is not known yet, so it slows down step by step.
        pollMs = this.#isFresh ? fastestPollMs : Math.max(fastestPollMs, Math.min(steadyPollMs, 2 * pollMs, elapsedMs / (4 * fullestShare)));
        this.#isFresh = false;
        await clock.sleep(pollMs, signal);
      } catch (error) {
        if (isAbort(error, signal)) return;
        log.write('warn', 'Output files cannot be kept bounded for now', { cause: messageOf(error) });
        await clock.sleep(steadyPollMs, signal).catch(() => undefined);
      }
    }
  }

  /** Removes the output of slots without an instance here that have not been written to for a day. */
  async sweep(inUse: readonly SlotOf[]): Promise<void> {
    const { disk, clock } = this.#world;
    const kept = new Set(inUse.map((slot) => this.#folders.logsOf(slot)));
    for (const app of await listed(this.#world, this.#folders.logs)) {
      for (const name of await listed(this.#world, `${this.#folders.logs}/${app}`)) {
        const folder = `${this.#folders.logs}/${app}/${name}`;
        if (kept.has(folder)) continue;
        const slot = await this.#slot(folder);
        const stats = await Promise.all([folder, ...slot.files.map((file) => file.path)].map((path) => disk.stat(path)));
        const lastMs = Math.max(0, ...stats.map((stat) => stat?.modifiedAt ?? 0));
        if (clock.wall() - lastMs < keepRetiredMs) continue;
        this.#slotsByFolder.delete(folder);
        await disk.remove(folder);
      }
    }
  }

  async #slot(folder: string): Promise<LogSlot> {
    const known = this.#slotsByFolder.get(folder);
    if (known) return known;
    const slot = new LogSlot(this.#world.disk, { folder, limitBytes: this.#limitBytes });
    await slot.load();
    // Somebody else may have loaded it meanwhile; there must be one of it only.
    const first = this.#slotsByFolder.get(folder) ?? slot;
    this.#slotsByFolder.set(folder, first);
    return first;
  }
}

async function listed(world: World, path: string): Promise<readonly string[]> {
  return await world.disk.list(path).catch((error: unknown) => {
    if (hasCode(error, 'NOT_FOUND')) return [];
    throw error;
  });
}
