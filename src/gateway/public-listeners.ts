import type { Address } from '#world/world';
import { bindListener } from './listeners.ts';
import type { Workers } from './workers.ts';

/** The ports at which clients reach the gateway. Those that stay are never closed, those that go end their connections after the answer under way. */
export class PublicListeners {
  readonly #workers: Workers;
  /** What is bound, by what was asked for: port 0 takes a free one. */
  readonly #boundByWanted = new Map<string, Address>();

  constructor(workers: Workers) {
    this.#workers = workers;
  }

  /** Listens on exactly these addresses and tells what was bound. LOCKED or INVALID if one cannot be had: then nothing has changed. */
  configure(addresses: readonly Address[]): readonly Address[] {
    const wanted = new Set(addresses.map(idOf));
    const fresh: { readonly id: string; readonly bound: ReturnType<typeof bindListener> }[] = [];
    try {
      for (const address of addresses) if (!this.#boundByWanted.has(idOf(address))) fresh.push({ id: idOf(address), bound: bindListener(address) });
    } catch (error) {
      for (const { bound } of fresh) bound.handle.close();
      throw error;
    }
    for (const { id, bound } of fresh) {
      this.#boundByWanted.set(id, bound.address);
      this.#workers.addListener(id, bound.handle, undefined);
    }
    for (const id of [...this.#boundByWanted.keys()]) {
      if (wanted.has(id)) continue;
      this.#boundByWanted.delete(id);
      this.#workers.removeListener(id);
    }
    return addresses.flatMap((address) => this.#boundByWanted.get(idOf(address)) ?? []);
  }
}

function idOf({ host, port }: Address): string {
  return `public:${host}:${port}`;
}
