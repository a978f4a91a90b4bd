import { backoffMs } from '#base/backoff';
import { hasCode, messageOf } from '#base/errors';
import { isAbort } from '#base/signal';
import { keyOf } from '#model/keys';
import type { AgentStatus } from '#model/node';
import type { StoreView } from '#model/store-view';
import type { Instant, World } from '#world/world';

type RegistrationWorld = Pick<World, 'clock' | 'random' | 'log'>;

/** N1: the lease's time, and how often it is renewed. */
export const LEASE_MS = 10_000;
const renewJitter = 0.1;
/** N2: how much earlier than the store the agent takes its lease for ended. */
const marginMs = 500;
const RETRY = { baseMs: 200, capMs: 2_000, jitter: 0.5 } as const;

/** Keeps a node's place in the cluster. */
export interface NodeRegistration {
  /** Until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Tells the cluster that this node leaves. */
  leave(): Promise<void>;
  /** How long the event loop of the agent's work has stood still lately, where that is measured. */
  readonly loopLag?: LoopLag;
}

/** N1: a number to watch, because nothing of an agent's work goes on while its event loop stands still. */
export interface LoopLag {
  readonly lastMs: number;
  readonly worstMs: number;
}

export interface RegistrationOptions {
  readonly status: AgentStatus;
  /** Called after each registration: what others know of this node may be gone. */
  readonly onRegistered: () => void;
}

/**
 * Keeps `/agents/NODE` alive under a lease.
 *
 * Invariants: R1 the local deadline counts from before the last successful renewal was sent (N2). R2 past it the lease is taken for lost, whatever
 * the store may say later: a new one is made. R3 a registration that was given up and arrives after the next one is refused: it would put the key
 * under a lease that nobody keeps.
 */
export class Registration implements NodeRegistration {
  readonly #world: RegistrationWorld;
  readonly #view: StoreView;
  readonly #options: RegistrationOptions;
  #deadline = Number.NEGATIVE_INFINITY as Instant;
  #lease: string | undefined;

  constructor(world: RegistrationWorld, view: StoreView, options: RegistrationOptions) {
    this.#world = world;
    this.#view = view;
    this.#options = options;
  }

  /** True while the cluster counts on this node, as far as can be known here. */
  get isHeld(): boolean {
    return this.#lease !== undefined && this.#world.clock.now() < this.#deadline;
  }

  /** Registers and renews until the signal aborts. The lease is left to end by itself: a new agent takes the key over. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#world;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (this.isHeld && this.#lease !== undefined) await this.#renew(this.#lease, signal);
        else await this.#register(signal);
        failures = 0;
        await clock.sleep(backoffMs({ baseMs: LEASE_MS / 3, capMs: LEASE_MS, jitter: renewJitter }, 0, random.next()), signal);
      } catch (error) {
        if (isAbort(error, signal)) return;
        if (hasCode(error, 'LEASE_LOST') || hasCode(error, 'NOT_FOUND')) this.#lease = undefined;
        if (failures++ === 0) log.write('warn', 'The cluster cannot be reached; instances go on', { cause: messageOf(error) });
        await clock.sleep(backoffMs(RETRY, failures, random.next()), signal).catch(() => undefined);
      }
    }
  }

  /** Tells the cluster that this node leaves: its lease ends now. */
  async leave(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) await this.#view.revokeLease(lease);
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#world;
    const { status, onRegistered } = this.#options;
    const sentAt = clock.now();
    const key = keyOf.agent(status.node);
    const { items } = await this.#view.list(key, { signal });
    const expected = items.find((item) => item.key === key)?.modRevision ?? 0;
    const lease = await this.#view.grantLease(LEASE_MS, { signal });
    // R3
    await this.#view.write([{ kind: 'put', key, value: JSON.stringify(status), expected, lease }], { signal });
    this.#lease = lease;
    this.#deadline = (sentAt + LEASE_MS - marginMs) as Instant;
    log.write('info', 'This node is registered', { node: status.node });
    onRegistered();
  }

  async #renew(lease: string, signal: AbortSignal): Promise<void> {
    const sentAt = this.#world.clock.now();
    await this.#view.keepLease(lease, { signal });
    // Another renewal may not shorten what an earlier one gained.
    this.#deadline = Math.max(this.#deadline, sentAt + LEASE_MS - marginMs) as Instant;
  }
}
