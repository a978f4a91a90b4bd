import { messageOf } from '#base/errors';
import type { Log } from '#world/world';

/** Runs actions one after the other, in the order in which they were asked for. */
export class Turns {
  readonly #log: Log;
  #last: Promise<unknown> = Promise.resolve();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Settles as the action does once its turn has come. If it fails, `failure` is logged with the cause. */
  async take<Result>(action: () => Promise<Result>, failure: string): Promise<Result> {
    const next = this.#last.then(action, action);
    this.#last = next.catch((error: unknown) => this.#log.write('error', failure, { cause: messageOf(error) }));
    return await next;
  }
}
