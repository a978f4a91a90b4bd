import { PlatformError } from '#base/errors';
import type { Release, ServiceState } from '#model/app';

/** The state of a service that was never deployed. */
export function initialState(release: Release, service: ServiceState['service']): ServiceState {
  return { app: release.app, service, nextSerial: 1, rollout: { phase: 'idle', release: 0 }, pending: [`release ${release.number} has not been started`] };
}

/** Hands out ports of the gateway's internal listeners, the lowest free first; a service keeps its own for ever. */
export class InternalPorts {
  readonly #first: number;
  readonly #last: number;
  readonly #used: Set<number>;

  constructor(range: { readonly first: number; readonly last: number }, states: Iterable<ServiceState>) {
    this.#first = range.first;
    this.#last = range.last;
    this.#used = new Set([...states].map((state) => state.internalPort).filter((port) => port !== undefined));
  }

  /** LIMIT when all are taken. */
  take(): number {
    for (let port = this.#first; port <= this.#last; port++) {
      if (this.#used.has(port)) continue;
      this.#used.add(port);
      return port;
    }
    throw new PlatformError('LIMIT', `Cannot give another service an internal port, because all of ${this.#first} to ${this.#last} are taken`, {
      first: this.#first,
      last: this.#last,
    });
  }
}
