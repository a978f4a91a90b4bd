import type { Log } from '#world/world';

/** Says when too few backends of a service are healthy: once when it begins and once when it is over, by the first worker that sees it. */
export class PanicWatch {
  readonly #log: Log;
  readonly #servicesByWorker = new Map<number, readonly string[]>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** The services of which this worker says so now. */
  note(worker: number, services: readonly string[]): void {
    const before = this.#services;
    this.#servicesByWorker.set(worker, services);
    const now = this.#services;
    for (const service of now) if (!before.has(service)) this.#log.write('warn', 'too few backends are healthy: all get requests (panic)', { service });
    for (const service of before) if (!now.has(service)) this.#log.write('info', 'enough backends are healthy again', { service });
  }

  /** The worker has ended. */
  forget(worker: number): void {
    this.#servicesByWorker.delete(worker);
  }

  get #services(): ReadonlySet<string> {
    return new Set([...this.#servicesByWorker.values()].flat());
  }
}
