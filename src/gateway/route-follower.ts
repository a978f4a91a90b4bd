import { messageOf } from '#base/errors';
import { unlessAborted } from '#base/signal';
import { PREFIX } from '#model/keys';
import { Mirror } from '#model/mirror';
import type { Route } from '#model/route';
import type { StoreView } from '#model/store-view';
import type { World } from '#world/world';
import type { Snapshot } from './workers.ts';

/** The routes as control has them, listed once and followed from there. */
export class RouteFollower implements Disposable {
  readonly #world: World;
  readonly #view: StoreView;
  readonly #onChange: (routes: Snapshot) => void;
  #mirror: Mirror<Route> | undefined;
  #stop = new AbortController();
  #fresh = Promise.withResolvers<void>();
  #isOver = false;
  /** What was told last. */
  #told: { readonly revision: number; readonly signature: string } | undefined;
  #confirmedAt: number;

  constructor(world: World, view: StoreView, onChange: (routes: Snapshot) => void) {
    this.#world = world;
    this.#view = view;
    this.#onChange = onChange;
    this.#confirmedAt = world.clock.now();
  }

  /** False while control is away. */
  get isConnected(): boolean {
    return this.#mirror?.connected ?? false;
  }

  /** Since control said last that the routes are what they are. */
  get ageSeconds(): number {
    return Math.round((this.#world.clock.now() - this.#confirmedAt) / 1_000);
  }

  /** What is in force before control answers was so long ago what control said. */
  assumeAge(ageSeconds: number): void {
    this.#confirmedAt -= ageSeconds * 1_000;
  }

  /** Lists the routes and follows them from there; called again when what is known may be stale. */
  follow(): void {
    if (this.#isOver) return;
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#fresh = Promise.withResolvers();
    const fresh = this.#fresh;
    const mirror: Mirror<Route> = new Mirror(this.#world, this.#view, {
      prefix: PREFIX.routes,
      onChange: () => {
        if (this.#mirror !== mirror) return;
        this.#changed(mirror);
        fresh.resolve();
      },
    });
    this.#mirror = mirror;
    mirror.run(this.#stop.signal).catch((error: unknown) => this.#world.log.write('error', 'following routes ended', { cause: messageOf(error) }));
  }

  /** Resolves when control has answered since `follow` was called last. */
  async listed(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#fresh.promise, signal);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#stop.abort();
  }

  #changed(mirror: Mirror<Route>): void {
    this.#confirmedAt = this.#world.clock.now();
    const { revision } = mirror;
    const items = [...mirror.itemsByKey.values()];
    const signature = items.map(({ key, modRevision }) => `${key}@${modRevision}`).join(' ');
    // A bookmark moves the revision without changing a route: nothing to acknowledge.
    if (this.#told !== undefined && signature === this.#told.signature && revision >= this.#told.revision) return;
    this.#told = { revision, signature };
    this.#onChange({ revision, routes: items.map(({ value }) => value) });
  }
}
