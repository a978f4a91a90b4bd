import { PlatformError } from '#base/errors';
import { LEADER_KEY } from '#model/keys';
import type { Compare, Operation, Revision, Store } from '#store/store';
import type { Term } from './leadership.ts';

/** One change by the leader: what must still be so, and what becomes so. */
export interface LeaderWrite {
  readonly compare: readonly Compare[];
  readonly operations: readonly Operation[];
}

/**
 * The only way control writes. W1: each write compares the epoch. W2: `lastRevision` is the newest revision written in this term: a plan made
 * on anything older could undo what was just decided.
 */
export class LeaderWriter {
  readonly #store: Store;
  readonly #term: Term;
  #lastRevision: Revision;

  constructor(store: Store, term: Term) {
    this.#store = store;
    this.#term = term;
    this.#lastRevision = term.epoch;
  }

  get lastRevision(): Revision {
    return this.#lastRevision;
  }

  /** True when written; false when somebody else changed an object first, which the next pass will see. LEASE_LOST when the term is over. */
  async write({ compare, operations }: LeaderWrite): Promise<boolean> {
    if (!this.#term.isCurrent()) {
      this.#term.end('its lease was not renewed in time');
      throw new PlatformError('LEASE_LOST', 'Cannot write as leader, because the term is over', { epoch: this.#term.epoch });
    }
    const result = await this.#store.transact({
      compare: [this.#term.fence, ...compare],
      then: operations,
      else: [{ kind: 'read', range: { key: LEADER_KEY } }],
    });
    if (result.succeeded) {
      if (result.revision > this.#lastRevision) this.#lastRevision = result.revision;
      return true;
    }
    const [read] = result.results;
    const epoch = read?.kind === 'read' ? read.items[0]?.createRevision : undefined;
    if (epoch === this.#term.epoch) return false;
    this.#term.end('another leader has taken over');
    throw new PlatformError('LEASE_LOST', 'Cannot write as leader, because another leader has taken over', { epoch: this.#term.epoch });
  }

  /** The same, and the end of the lease that a key is under, so that its holder learns of it. False as for `write`, or when the key is gone. */
  async writeAndRevoke(key: string, write: LeaderWrite): Promise<boolean> {
    const lease = (await this.#store.get(key))?.lease;
    if (lease === undefined || !(await this.write(write))) return false;
    await this.#store.revokeLease(lease);
    return true;
  }
}

/** The condition that an object is still as it was read; 0 = does not exist. */
export function unchanged(key: string, modRevision: number): Compare {
  return { key, target: 'modRevision', is: '=', to: modRevision };
}

/** A put of an object as JSON. */
export function putJson(key: string, value: unknown): Operation {
  return { kind: 'put', key, value: JSON.stringify(value) };
}

/** A delete of one key. */
export function deleteKey(key: string): Operation {
  return { kind: 'delete', range: { key } };
}
