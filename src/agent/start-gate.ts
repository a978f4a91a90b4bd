import { unlessAborted } from '#base/signal';
import type { World } from '#world/world';

interface GateOptions {
  /** Starts at once. */
  readonly limit: number;
  /** Who has not finished starting after this long gives its place to the next, so that a few slow ones do not hold up all. */
  readonly holdMs: number;
}

/**
 * Lets a few instances of a node start at a time, in the order they came: a hundred that start together starve each other and those that run.
 *
 * Invariants: G1 at most `limit` owners are inside. G2 nobody overtakes. G3 nobody stays longer than `holdMs`.
 */
export class StartGate {
  readonly #world: World;
  readonly #options: GateOptions;
  readonly #inside = new Map<string, Disposable>();
  readonly #waiting: { readonly owner: string; readonly admit: () => void }[] = [];

  constructor(world: World, options: GateOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** Resolves when the owner may start; `leave` must follow. Calls `onWait` if that is not now. Rejects with the signal's reason if it aborts first. */
  async enter(owner: string, { onWait, signal }: { readonly onWait: (ahead: number) => void; readonly signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    if (this.#inside.size < this.#options.limit && this.#waiting.length === 0) return this.#admit(owner);
    const turn = Promise.withResolvers<void>();
    const entry = { owner, admit: turn.resolve };
    onWait(this.#inside.size + this.#waiting.length);
    this.#waiting.push(entry);
    try {
      await unlessAborted(turn.promise, signal);
    } catch (error) {
      const place = this.#waiting.indexOf(entry);
      // Admitted in the same moment as interrupted.
      if (place < 0) this.leave(owner);
      else this.#waiting.splice(place, 1);
      throw error;
    }
  }

  /** The owner has started, or never will. Nothing if it is not inside. */
  leave(owner: string): void {
    const timer = this.#inside.get(owner);
    if (!timer) return;
    timer[Symbol.dispose]();
    this.#inside.delete(owner);
    const next = this.#waiting.shift();
    if (!next) return;
    this.#admit(next.owner);
    next.admit();
  }

  #admit(owner: string): void {
    this.#inside.get(owner)?.[Symbol.dispose]();
    this.#inside.set(
      owner,
      this.#world.clock.after(this.#options.holdMs, () => this.leave(owner)),
    );
  }
}
