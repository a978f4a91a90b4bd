import { hasCode, PlatformError } from '#base/errors';
import type { Address, World } from '#world/world';

/** A free port answers with a refusal at once; only a broken network needs this long. */
const probeTimeoutMs = 500;

/**
 * Which instance has which port of the node.
 *
 * Invariants: B1 no two owners hold one port. B2 a port is held from before it is tried until `release`, so two concurrent takers cannot pick the same.
 */
export class PortBook {
  readonly #world: World;
  readonly #host: string;
  readonly #range: { readonly first: number; readonly last: number };
  readonly #ownersByPort = new Map<number, string>();
  #next: number;

  constructor(world: World, options: { readonly host: string; readonly first: number; readonly last: number }) {
    this.#world = world;
    this.#host = options.host;
    this.#range = { first: options.first, last: options.last };
    // Starting anywhere keeps a port from being given again right after its owner's end, when clients may still try it.
    this.#next = options.first + world.random.integer(options.last - options.first + 1);
  }

  /** Notes a port that an adopted process already uses. */
  hold(port: number, owner: string): void {
    this.#ownersByPort.set(port, owner);
  }

  release(owner: string): void {
    for (const [port, holder] of this.#ownersByPort) if (holder === owner) this.#ownersByPort.delete(port);
  }

  /** The owner's fixed port. LOCKED, with a sentence that says by whom, if it is in use. */
  async takeFixed(port: number, owner: string): Promise<number> {
    const holder = this.#ownersByPort.get(port);
    if (holder !== undefined && holder !== owner) {
      throw new PlatformError('LOCKED', `Cannot use port ${port}, because ${holder} has it on this node`, { port, holder });
    }
    this.#ownersByPort.set(port, owner);
    if (await this.#isFree(port)) return port;
    this.release(owner);
    throw new PlatformError('LOCKED', `Cannot use port ${port}, because a program outside Haven listens on ${this.#host}:${port}`, { port });
  }

  /** The `preferred` port if it is free, else any free one of the node's range. LOCKED if all are in use. */
  async takeFree(owner: string, preferred: number | undefined): Promise<number> {
    this.release(owner);
    if (preferred !== undefined && (await this.#take(preferred, owner))) return preferred;
    const { first, last } = this.#range;
    for (let tried = 0; tried <= last - first; tried++) {
      const port = this.#next;
      this.#next = port >= last ? first : port + 1;
      if (await this.#take(port, owner)) return port;
    }
    throw new PlatformError('LOCKED', `Cannot find a free port, because all from ${first} to ${last} are in use`, { first, last });
  }

  async #take(port: number, owner: string): Promise<boolean> {
    if (this.#ownersByPort.has(port)) return false;
    this.#ownersByPort.set(port, owner);
    if (await this.#isFree(port)) return true;
    this.#ownersByPort.delete(port);
    return false;
  }

  async #isFree(port: number): Promise<boolean> {
    const address: Address = { host: this.#host, port };
    try {
      await this.#world.network.probe(address, { timeoutMs: probeTimeoutMs });
      return false;
    } catch (error) {
      if (hasCode(error, 'UNAVAILABLE')) return true;
      if (hasCode(error, 'TIMEOUT')) return false;
      throw error;
    }
  }
}
