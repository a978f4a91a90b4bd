import type { Address } from '#world/world';
import { type ListenerSettings, PLAIN_LISTENER } from './dataplane/listener-settings.ts';
import { type Bound, type ListeningHandle, takeListener } from './listeners.ts';
import type { Workers } from './workers.ts';

/** Where clients reach the gateway, and how those who come there are treated. */
export interface PublicListener {
  readonly address: Address;
  readonly settings?: ListenerSettings;
}

interface Open {
  /** What was bound for what was asked for: port 0 takes a free one. */
  readonly address: Address;
  readonly fingerprint: string;
}

/** The ports at which clients reach the gateway. Those that stay are never closed, those that go end their connections after the answer under way. */
export class PublicListeners {
  readonly #workers: Workers;
  readonly #openById = new Map<string, Open>();
  /** Of the process before us. */
  readonly #inherited: Map<string, ListeningHandle>;

  constructor(workers: Workers, inherited = new Map<string, ListeningHandle>()) {
    this.#workers = workers;
    this.#inherited = inherited;
  }

  /** Listens on exactly these and tells what was bound. LOCKED or INVALID if one cannot be had: then nothing has changed. */
  configure(listeners: readonly PublicListener[]): readonly Address[] {
    const wanted = new Set(listeners.map(({ address }) => idOf(address)));
    const fresh = new Map<string, Bound>();
    try {
      for (const { address } of listeners)
        if (!this.#openById.has(idOf(address))) fresh.set(idOf(address), takeListener(this.#inherited, idOf(address), address));
    } catch (error) {
      for (const { handle } of fresh.values()) handle.close();
      throw error;
    }
    for (const { address, settings = PLAIN_LISTENER } of listeners) this.#open(idOf(address), settings, fresh.get(idOf(address)));
    for (const id of [...this.#openById.keys()]) {
      if (wanted.has(id)) continue;
      this.#openById.delete(id);
      this.#workers.removeListener(id);
    }
    return listeners.flatMap(({ address }) => this.#openById.get(idOf(address))?.address ?? []);
  }

  #open(id: string, settings: ListenerSettings, bound: Bound | undefined): void {
    const fingerprint = JSON.stringify(settings);
    const known = this.#openById.get(id);
    if (bound !== undefined) {
      this.#openById.set(id, { address: bound.address, fingerprint });
      this.#workers.addListener(id, bound.handle, settings);
    } else if (known !== undefined && known.fingerprint !== fingerprint) {
      this.#openById.set(id, { ...known, fingerprint });
      this.#workers.changeListener(id, settings);
    }
  }
}

function idOf({ host, port }: Address): string {
  return `public:${host}:${port}`;
}
