import { backoffMs } from '#base/backoff';
import { hasCode, messageOf } from '#base/errors';
import { isAbort } from '#base/signal';
import { Wakeup } from '#base/wakeup';
import type { InstanceId, InstanceStatus } from '#model/instance';
import { keyOf } from '#model/keys';
import type { StoreView, ViewWrite } from '#model/store-view';
import type { World } from '#world/world';

/** Statuses in one transaction: with the longest output they stay below what the store takes at once. */
const maxBatch = 32;
const RETRY = { baseMs: 100, capMs: 2_000, jitter: 0.5 } as const;

/**
 * Writes the statuses of a node's instances, the only writer of their keys.
 *
 * Invariants: W1 one write at a time, each compared with the revision of the one before, so an older status never follows a newer one: not even a write that was given
 * up and arrives late. W2 several changes while one write is under way become one. W3 what has been written and has not changed is not written again, until `rewriteAll`.
 */
export class StatusWriter {
  readonly #world: World;
  readonly #view: StoreView;
  readonly #wakeup = new Wakeup();
  /** `undefined` as a value: the key is to be deleted. */
  readonly #wantedById = new Map<InstanceId, string | undefined>();
  readonly #writtenById = new Map<InstanceId, string>();
  readonly #dirty = new Set<InstanceId>();
  /** Of what is at each key, as far as known; a key of which nothing is known is taken for missing, and the first conflict tells otherwise. */
  readonly #revisionById = new Map<InstanceId, number>();

  constructor(world: World, view: StoreView) {
    this.#world = world;
    this.#view = view;
  }

  put(status: InstanceStatus): void {
    const value = JSON.stringify(status);
    this.#wantedById.set(status.id, value);
    if (this.#writtenById.get(status.id) === value && !this.#dirty.has(status.id)) return;
    this.#dirty.add(status.id);
    this.#wakeup.ring();
  }

  /** The instance is no more. */
  delete(id: InstanceId): void {
    this.#wantedById.set(id, undefined);
    this.#dirty.add(id);
    this.#wakeup.ring();
  }

  /** The store may have lost what we wrote. */
  rewriteAll(): void {
    this.#writtenById.clear();
    for (const id of this.#wantedById.keys()) this.#dirty.add(id);
    this.#wakeup.ring();
  }

  /** Writes until the signal aborts; while control is away it keeps trying with the newest. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#world;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (this.#dirty.size === 0) await this.#wakeup.wait(signal);
        await this.#writeBatch(signal);
        failures = 0;
      } catch (error) {
        if (isAbort(error, signal)) return;
        const level = hasCode(error, 'UNAVAILABLE') || hasCode(error, 'TIMEOUT') ? 'debug' : 'error';
        log.write(level, 'Statuses cannot be written for now', { cause: messageOf(error), waiting: this.#dirty.size });
        await clock.sleep(backoffMs(RETRY, failures++, random.next()), signal).catch(() => undefined);
      }
    }
  }

  async #writeBatch(signal: AbortSignal): Promise<void> {
    const batch = [...this.#dirty].slice(0, maxBatch).map((id) => ({ id, value: this.#wantedById.get(id) }));
    if (batch.length === 0) return;
    const writes = batch.map(({ id, value }): ViewWrite => {
      const target = { key: keyOf.status(id), expected: this.#revisionById.get(id) ?? 0 };
      return value === undefined ? { kind: 'delete', ...target } : { kind: 'put', ...target, value };
    });
    const revision = await this.#writeOrAsk(writes, { ids: batch.map(({ id }) => id), signal });
    if (revision === undefined) return;
    for (const { id, value } of batch) {
      if (value === undefined) this.#revisionById.delete(id);
      else this.#revisionById.set(id, revision);
      if (this.#wantedById.get(id) !== value) continue;
      this.#dirty.delete(id);
      if (value === undefined) this.#wantedById.delete(id);
      else this.#writtenById.set(id, value);
      if (value === undefined) this.#writtenById.delete(id);
    }
  }

  /** The revision of the write; `undefined` if something else is there than thought, and what is there is known now. */
  async #writeOrAsk(
    writes: readonly ViewWrite[],
    { ids, signal }: { readonly ids: readonly InstanceId[]; readonly signal: AbortSignal },
  ): Promise<number | undefined> {
    try {
      return await this.#view.write(writes, { signal });
    } catch (error) {
      if (!hasCode(error, 'CONFLICT')) throw error;
      await Promise.all(ids.map((id) => this.#ask(id, signal)));
      return undefined;
    }
  }

  async #ask(id: InstanceId, signal: AbortSignal): Promise<void> {
    const key = keyOf.status(id);
    const { items } = await this.#view.list(key, { signal });
    const item = items.find((each) => each.key === key);
    if (item) this.#revisionById.set(id, item.modRevision);
    else this.#revisionById.delete(id);
  }
}
