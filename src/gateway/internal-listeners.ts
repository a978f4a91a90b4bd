import { messageOf } from '#base/errors';
import type { Route } from '#model/route';
import type { World } from '#world/world';
import { bindListener } from './listeners.ts';
import type { Workers } from './workers.ts';

const loopback = '127.0.0.1';
const retryMs = 1_000;

/** The loopback ports at which services reach each other: opened and closed with the routes. */
export class InternalListeners {
  readonly #world: World;
  readonly #workers: Workers;
  readonly #open = new Set<number>();
  #wanted: ReadonlySet<number> = new Set();

  constructor(world: World, workers: Workers) {
    this.#world = world;
    this.#workers = workers;
  }

  /** Call after the routes were given to the workers, so that a port never leads nowhere. */
  configure(routes: readonly Route[]): void {
    this.#wanted = new Set(routes.flatMap(({ internalPort }) => internalPort ?? []));
    for (const port of [...this.#open]) {
      if (this.#wanted.has(port)) continue;
      this.#open.delete(port);
      this.#workers.removeListener(idOf(port));
    }
    this.#openMissing();
  }

  #openMissing(): void {
    let failed = false;
    for (const port of this.#wanted) {
      if (this.#open.has(port)) continue;
      try {
        const { handle } = bindListener({ host: loopback, port });
        this.#open.add(port);
        this.#workers.addListener(idOf(port), handle, { internalPort: port });
      } catch (error) {
        failed = true;
        this.#world.log.write('error', 'internal listener is not open yet', { port, cause: messageOf(error) });
      }
    }
    if (failed) this.#world.clock.after(retryMs, () => this.#openMissing());
  }
}

function idOf(port: number): string {
  return `internal:${port}`;
}
