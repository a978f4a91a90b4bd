import { backoffMs } from '#base/backoff';
import { hasCode, messageOf } from '#base/errors';
import { isAbort } from '#base/signal';
import { Wakeup } from '#base/wakeup';
import { keyOf } from '#model/keys';
import type { GatewayStatus } from '#model/route';
import type { StoreView } from '#model/store-view';
import type { World } from '#world/world';

export const GATEWAY_LEASE_MS = 10_000;
const renewMs = GATEWAY_LEASE_MS / 3;
const callTimeoutMs = GATEWAY_LEASE_MS / 3;
const betweenWritesMs = 50;
const RETRY = { baseMs: 100, capMs: 2_000, jitter: 0.5 } as const;

/**
 * Keeps `/gateways/NAME` true under this gateway's lease.
 *
 * S1: written only when it differs from what is there, and at most every 50 ms. S2: after a lost lease the routes are fetched anew before anything is claimed, because
 * control may have counted this gateway out and gone on without it. S3: each write compares the revision of the last one, so one that arrives late, after its
 * answer was given up, cannot overwrite a newer.
 */
export class StatusWriter {
  readonly #world: World;
  readonly #view: StoreView;
  readonly #options: StatusWriterOptions;
  readonly #wakeup = new Wakeup();
  #lease: string | undefined;
  #written = '';
  /** Of our key as we know it; 0: it should not be there. */
  #revision = 0;
  #renewAt = 0;

  constructor(world: World, view: StoreView, options: StatusWriterOptions) {
    this.#world = world;
    this.#view = view;
    this.#options = options;
  }

  /** Something the status says may have changed. */
  ring(): void {
    this.#wakeup.ring();
  }

  /** Writes until the signal aborts, then gives the lease back so that nobody waits for this gateway. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#world;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#step(signal);
        failures = 0;
        using _renew = clock.after(Math.max(0, this.#renewAt - clock.now()), () => this.#wakeup.ring());
        await this.#wakeup.wait(signal);
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) break;
        if (hasCode(error, 'LEASE_LOST') || hasCode(error, 'NOT_FOUND')) {
          log.write('warn', 'gateway lease was lost; routes are fetched anew', { cause: messageOf(error) });
          this.#lease = undefined;
          this.#written = '';
          this.#revision = 0;
          this.#options.onLeaseLost();
        } else log.write('debug', 'gateway status not written', { cause: messageOf(error) });
        await clock.sleep(backoffMs(RETRY, failures++, random.next()), signal).catch(() => undefined);
      }
    }
    if (this.#lease !== undefined) await this.#view.revokeLease(this.#lease).catch(() => undefined);
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { clock } = this.#world;
    if (this.#lease === undefined) {
      // S2.
      await this.#options.routesFresh(signal);
      this.#lease = await this.#bounded(signal, (bound) => this.#view.grantLease(GATEWAY_LEASE_MS, { signal: bound }));
      this.#renewAt = clock.now() + renewMs;
    } else if (clock.now() >= this.#renewAt) {
      const { [0]: lease } = [this.#lease];
      await this.#bounded(signal, (bound) => this.#view.keepLease(lease, { signal: bound }));
      this.#renewAt = clock.now() + renewMs;
    }
    const status = this.#options.status();
    if (status === undefined) return;
    const value = JSON.stringify(status);
    // S1.
    if (value === this.#written) return;
    const lease = this.#lease;
    if (await this.#put({ key: keyOf.gateway(status.name), value, lease }, signal)) this.#written = value;
    // What was to be said may have changed meanwhile: the next step says the newest.
    else this.#wakeup.ring();
    await clock.sleep(betweenWritesMs, signal);
  }

  /** False if something else is there than thought, and its revision is known now: an earlier life's report, or one of ours whose answer was lost. */
  async #put(put: { readonly key: string; readonly value: string; readonly lease: string }, signal: AbortSignal): Promise<boolean> {
    try {
      // S3.
      const write = { kind: 'put', ...put, expected: this.#revision } as const;
      this.#revision = await this.#bounded(signal, (bound) => this.#view.write([write], { signal: bound }));
      return true;
    } catch (error) {
      if (!hasCode(error, 'CONFLICT')) throw error;
      const { items } = await this.#bounded(signal, (bound) => this.#view.list(put.key, { signal: bound }));
      this.#revision = items.find(({ key }) => key === put.key)?.modRevision ?? 0;
      return false;
    }
  }

  /** A call to control that hangs must not outlive the lease it is about. */
  async #bounded<Value>(signal: AbortSignal, call: (bound: AbortSignal) => Promise<Value>): Promise<Value> {
    const timeout = new AbortController();
    using _timer = this.#world.clock.after(callTimeoutMs, () => timeout.abort(new Error(`control did not answer within ${callTimeoutMs} ms`)));
    return await call(AbortSignal.any([signal, timeout.signal]));
  }
}

export interface StatusWriterOptions {
  /** What is true now; `undefined` while there is nothing to say. */
  readonly status: () => GatewayStatus | undefined;
  /** Resolves when the routes known here were listed from control after the last lost lease. */
  readonly routesFresh: (signal: AbortSignal) => Promise<void>;
  readonly onLeaseLost: () => void;
}
