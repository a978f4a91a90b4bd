import { messageOf } from '#base/errors';
import type { World } from '#world/world';
import { holdMs, ordered, retryMs } from './backend-names.ts';
import type { LookUp } from './look-up.ts';

/** Nobody waits longer than this for names at the start or at a reload. */
const SETTLED_WITHIN_MS = 3_000;

interface Followed {
  readonly controller: AbortController;
  readonly first: Promise<void>;
}

/**
 * Looks names up again and again in the background, each when what was found for it no longer holds. No request waits for it.
 *
 * N1: what was found last is kept until something else is found; a name that is unknown or cannot be asked for changes nothing. N2: one look-up of a name at a time.
 */
export class FollowedNames implements Disposable {
  readonly #world: Pick<World, 'clock' | 'log'>;
  readonly #lookUpWith: (servers: readonly string[]) => LookUp;
  readonly #onChange: () => void;
  #servers: readonly string[] = [];
  readonly #followed = new Map<string, Followed>();
  readonly #found = new Map<string, readonly string[]>();

  /** `before` is what another process had found: it holds until the first look-up says otherwise. */
  constructor(
    world: Pick<World, 'clock' | 'log'>,
    options: {
      readonly lookUpWith: (servers: readonly string[]) => LookUp;
      readonly before: Readonly<Record<string, readonly string[]>>;
      readonly onChange: () => void;
    },
  ) {
    this.#world = world;
    this.#lookUpWith = options.lookUpWith;
    this.#onChange = options.onChange;
    for (const [name, addresses] of Object.entries(options.before)) this.#found.set(name, addresses);
  }

  /** What each name has: at least one address. */
  get found(): ReadonlyMap<string, readonly string[]> {
    return this.#found;
  }

  /** Follows exactly these names from now on, with these DNS servers, and asks at once for those that are new, or all if the servers are. */
  follow(names: readonly string[], servers: readonly string[]): void {
    const isOtherServers = servers.join() !== this.#servers.join();
    this.#servers = servers;
    for (const [name, { controller }] of this.#followed) {
      if (names.includes(name) && !isOtherServers) continue;
      controller.abort();
      this.#followed.delete(name);
    }
    for (const name of this.#found.keys()) if (!names.includes(name)) this.#found.delete(name);
    const lookUp = this.#lookUpWith(servers);
    for (const name of names) if (!this.#followed.has(name)) this.#begin(name, lookUp);
  }

  /** Resolves once each name was looked up, with whatever result, or a few seconds have passed. */
  async settled(): Promise<void> {
    const all = Promise.all([...this.#followed.values()].map(async ({ first }) => await first));
    const patience = Promise.withResolvers<void>();
    using _timer = this.#world.clock.after(SETTLED_WITHIN_MS, patience.resolve);
    await Promise.race([all, patience.promise]);
  }

  [Symbol.dispose](): void {
    for (const { controller } of this.#followed.values()) controller.abort();
    this.#followed.clear();
  }

  #begin(name: string, lookUp: LookUp): void {
    const controller = new AbortController();
    const first = Promise.withResolvers<void>();
    this.#followed.set(name, { controller, first: first.promise });
    this.#loop(name, { lookUp, signal: controller.signal, onFirst: first.resolve })
      .catch((error: unknown) => {
        if (!controller.signal.aborted) this.#world.log.write('error', 'a name is no longer followed', { name, cause: messageOf(error) });
      })
      .finally(first.resolve);
  }

  async #loop(name: string, how: { readonly lookUp: LookUp; readonly signal: AbortSignal; readonly onFirst: () => void }): Promise<void> {
    const { lookUp, signal, onFirst } = how;
    for (let failures = 0; !signal.aborted; ) {
      let waitMs: number;
      try {
        const found = await lookUp(name, signal);
        if (signal.aborted) return;
        if (failures > 0) this.#world.log.write('info', 'a name was found again', { name });
        failures = 0;
        waitMs = holdMs(found);
        this.#keep(name, ordered(found.addresses));
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        waitMs = retryMs(failures);
        if (failures === 1) this.#tellFailure(name, error);
      }
      onFirst();
      await this.#world.clock.sleep(waitMs, signal);
    }
  }

  #keep(name: string, addresses: readonly string[]): void {
    const before = this.#found.get(name);
    if (before?.join() === addresses.join()) return;
    this.#found.set(name, addresses);
    this.#world.log.write('info', 'a name has other addresses', { name, addresses: addresses.join(' '), before: before?.join(' ') ?? '' });
    this.#onChange();
  }

  #tellFailure(name: string, error: unknown): void {
    const kept = this.#found.get(name);
    const goesOn = kept === undefined ? 'it has no backends until it is found' : `its last addresses stay: ${kept.join(' ')}`;
    this.#world.log.write('warn', 'a name cannot be looked up', { name, goesOn, cause: messageOf(error) });
  }
}
