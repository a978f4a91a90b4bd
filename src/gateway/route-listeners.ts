import { messageOf } from '#base/errors';
import type { Route } from '#model/route';
import type { Address, World } from '#world/world';
import type { ListenerSettings } from './dataplane/listener-settings.ts';
import { bindListener } from './listeners.ts';
import type { Workers } from './workers.ts';

const loopback = '127.0.0.1';
const retryMs = 1_000;

interface Wanted {
  readonly address: Address;
  readonly settings: ListenerSettings;
}

/** The ports that routes ask for, opened and closed with them: on loopback for services among each other, and those whose connections are carried as they are. */
export class RouteListeners {
  readonly #world: World;
  readonly #workers: Workers;
  /** Where connections from outside are taken. */
  readonly #host: string;
  /** The settings in force, as text. */
  readonly #open = new Map<string, string>();
  #wanted: ReadonlyMap<string, Wanted> = new Map();

  constructor(world: World, workers: Workers, host: string) {
    this.#world = world;
    this.#workers = workers;
    this.#host = host;
  }

  /** Call after the routes were given to the workers, so that a port never leads nowhere. */
  configure(routes: readonly Route[]): void {
    this.#wanted = wantedBy(routes, this.#host);
    for (const id of [...this.#open.keys()]) {
      if (this.#wanted.has(id)) continue;
      this.#open.delete(id);
      this.#workers.removeListener(id);
    }
    this.#openMissing();
  }

  #openMissing(): void {
    let failed = false;
    for (const [id, { address, settings }] of this.#wanted) {
      const text = JSON.stringify(settings);
      const known = this.#open.get(id);
      if (known === text) continue;
      if (known !== undefined) {
        this.#open.set(id, text);
        this.#workers.changeListener(id, settings);
        continue;
      }
      try {
        const { handle } = bindListener(address);
        this.#open.set(id, text);
        this.#workers.addListener(id, handle, settings);
      } catch (error) {
        failed = true;
        this.#world.log.write('error', 'a listener of a route is not open yet', { id, cause: messageOf(error) });
      }
    }
    if (failed) this.#world.clock.after(retryMs, () => this.#openMissing());
  }
}

/** By id. Of two routes that want the same port the first has it. */
function wantedBy(routes: readonly Route[], host: string): ReadonlyMap<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  for (const { app, service, internalPort, tcpPorts = [] } of routes) {
    if (internalPort !== undefined) wanted.set(`internal:${internalPort}`, { address: { host: loopback, port: internalPort }, settings: { internalPort } });
    for (const port of tcpPorts) {
      const id = `tcp:${port}`;
      if (!wanted.has(id)) wanted.set(id, { address: { host, port }, settings: { tcp: `${app}/${service}` } });
    }
  }
  return wanted;
}
