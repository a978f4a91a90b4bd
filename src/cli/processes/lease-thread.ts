import { Worker } from 'node:worker_threads';
import type { LoopLag, NodeRegistration, RegistrationOptions } from '#agent/registration';
import { onAbort } from '#base/signal';
import type { Address, World } from '#world/world';
import type { LeaseCommand, LeaseNews, LeaseOrder } from './lease-message.ts';

const beatMs = 1_000;
/** Longer than any pause that ends by itself: a full disk's sync, a large unpack. */
const maxMissedBeats = 30;
/** A lag worth a line of the log. */
const notableLagMs = 1_000;
/** The worst lag is that of so many beats. */
const lagBeats = 60;
const leaveWithinMs = 2_000;
/** It needs some 5 MB; a leak ends the thread, and with it the agent, rather than the machine. */
const memoryLimit = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 } as const;

interface LeaseThreadOptions extends RegistrationOptions {
  readonly api: { readonly address: Address; readonly token: string };
  /** For a test that cannot wait. */
  readonly maxMissedBeats?: number;
}

/** Keeps the node's lease in a thread of its own, so that no work of the agent can delay a renewal (N1), and measures how long that work holds up the event loop. */
export class LeaseThread implements NodeRegistration {
  readonly #world: World;
  readonly #options: LeaseThreadOptions;
  readonly #beats = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #left = Promise.withResolvers<void>();
  readonly #lags: number[] = [];
  #thread: Worker | undefined;

  constructor(world: World, options: LeaseThreadOptions) {
    this.#world = world;
    this.#options = options;
  }

  get loopLag(): LoopLag {
    return { lastMs: this.#lags.at(-1) ?? 0, worstMs: Math.max(0, ...this.#lags) };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { NODE_COMPILE_CACHE } = process.env;
    const thread = new Worker(new URL(`./lease.thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url), {
      workerData: this.#order(),
      resourceLimits: memoryLimit,
      // As in a terminal: the thread writes past this one's streams.
      stdout: false,
      stderr: false,
      env: NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE },
    });
    this.#thread = thread;
    thread.on('message', (news: LeaseNews) => {
      if (news.kind === 'registered') this.#options.onRegistered();
      else this.#left.resolve();
    });
    const ended = Promise.withResolvers<void>();
    thread.once('error', ended.reject);
    thread.once('exit', (code) => ended.reject(new Error(`the thread of the lease ended with code ${code}`)));
    using _listening = onAbort(signal, () => ended.resolve());
    const beating = this.#beat(signal);
    await ended.promise;
    await beating;
  }

  /** At most 2 s. */
  async leave(): Promise<void> {
    using _limit = this.#world.clock.after(leaveWithinMs, this.#left.resolve);
    this.#thread?.postMessage({ kind: 'leave' } satisfies LeaseCommand);
    await this.#left.promise;
  }

  #order(): LeaseOrder {
    const { status, api } = this.#options;
    return { status, api, logName: `agent ${status.node}`, beats: this.#beats, beatMs, maxMissedBeats: this.#options.maxMissedBeats ?? maxMissedBeats };
  }

  /** Shows the thread that this event loop turns, and measures by how much it is late. */
  async #beat(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#world;
    while (!signal.aborted) {
      const dueAt = clock.now() + beatMs;
      await clock.sleep(beatMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      Atomics.add(this.#beats, 0, 1);
      const lagMs = Math.max(0, Math.round(clock.now() - dueAt));
      this.#lags.push(lagMs);
      if (this.#lags.length > lagBeats) this.#lags.shift();
      if (lagMs >= notableLagMs) log.write('warn', 'The event loop of the agent stood still', { lagMs });
    }
  }
}
