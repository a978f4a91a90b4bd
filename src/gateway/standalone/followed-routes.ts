import type { Route } from '#model/route';
import type { StoreView } from '#model/store-view';
import type { World } from '#world/world';
import { namesIn, withAddresses } from './backend-names.ts';
import { FollowedNames } from './followed-names.ts';
import { lookUpWith } from './look-up.ts';
import { StandaloneView } from './standalone-view.ts';

/** The routes of the file, with the addresses that the names in them have by now, as a store that a gateway watches. */
export class FollowedRoutes implements Disposable {
  readonly #view = new StandaloneView();
  readonly #names: FollowedNames;
  #planned: readonly Route[] = [];

  /** `before` is what another process had found for names. */
  constructor(world: World, before: Readonly<Record<string, readonly string[]>>) {
    this.#names = new FollowedNames(world, { lookUpWith, before, onChange: () => this.#view.replace(this.#current) });
  }

  get view(): StoreView {
    return this.#view;
  }

  /** What each name was found to be. */
  get names(): ReadonlyMap<string, readonly string[]> {
    return this.#names.found;
  }

  get backends(): number {
    return this.#current.reduce((sum, route) => sum + route.backends.length, 0);
  }

  /** Takes these in the place of all others; resolves to their revision. Nothing can fail here: a name that is not found has no backends yet, or those it had. */
  async follow(routes: readonly Route[], servers: readonly string[]): Promise<number> {
    this.#planned = routes;
    this.#names.follow(namesIn(routes), servers);
    await this.#names.settled();
    return this.#view.replace(this.#current);
  }

  /** Resolves once every worker serves the routes of `revision`. */
  async applied(revision: number, signal: AbortSignal): Promise<void> {
    await this.#view.applied(revision, signal);
  }

  [Symbol.dispose](): void {
    this.#names[Symbol.dispose]();
  }

  get #current(): readonly Route[] {
    return withAddresses(this.#planned, this.#names.found);
  }
}
