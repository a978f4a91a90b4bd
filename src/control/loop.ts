import { type Backoff, backoffMs } from '#base/backoff';
import { hasCode, messageOf } from '#base/errors';
import { isAbort } from '#base/signal';
import { Wakeup } from '#base/wakeup';
import { Mirror } from '#model/mirror';
import { later, type Moment } from '#model/moment';
import type { Store } from '#store/store';
import type { World } from '#world/world';
import { AgentLeases } from './agent-leases.ts';
import { snapshotOf } from './cluster-snapshot.ts';
import type { ControlOptions } from './control-options.ts';
import { EventLog } from './events.ts';
import { LeaderWriter } from './leader-writer.ts';
import type { Term } from './leadership.ts';
import { localView } from './local-view.ts';
import { note, type Pass, type TermMemory } from './pass.ts';
import { reconcileGateways } from './reconcile-gateways.ts';
import { judgeNodes, reconcileNodes } from './reconcile-nodes.ts';
import { reconcilePools } from './reconcile-pools.ts';
import { reconcileReleaseCommands } from './reconcile-release-commands.ts';
import { reconcileReleases } from './reconcile-releases.ts';
import { reconcileRoutes } from './reconcile-routes.ts';
import { reconcileServices } from './reconcile-services.ts';
import { tellEnds } from './tell-ends.ts';

/** In this order, all on the same snapshot. */
const RECONCILERS = [
  reconcilePools,
  reconcileNodes,
  reconcileReleaseCommands,
  reconcileServices,
  reconcileRoutes,
  reconcileGateways,
  reconcileReleases,
  tellEnds,
] as const;

const RETRY: Backoff = { baseMs: 500, capMs: 30_000, jitter: 0.5 };

interface Trouble {
  readonly failures: number;
  readonly retryAt: Moment;
}

/**
 * The leader's loop: whenever something changed or a deadline came, look at the whole cluster and take the next steps. C1: a pass sees one revision of
 * the store, never one older than the leader's own last write. C2: it remembers nothing it cannot do without. C3: what fails for one object is
 * tried again later and stops no other. C4: without changes and deadlines there are no passes.
 */
export class ControlLoop {
  readonly #world: World;
  readonly #term: Term;
  readonly #options: ControlOptions;
  readonly #writer: LeaderWriter;
  readonly #mirror: Mirror<unknown>;
  readonly #leases: AgentLeases;
  readonly #wakeup = new Wakeup();
  readonly #events: EventLog;
  readonly #memory: TermMemory = { observations: new Map(), conditions: new Map(), agentsSeen: new Set(), endsTold: new Map() };
  readonly #troubleByObject = new Map<string, Trouble>();
  /** The wall at the start of the term; from then on only monotonic time passes. */
  readonly #startedAt: Moment;
  #alarm: { readonly at: Moment; readonly timer: Disposable } | undefined;

  constructor(world: World, { store, term, options }: { readonly store: Store; readonly term: Term; readonly options: ControlOptions }) {
    this.#world = world;
    this.#term = term;
    this.#options = options;
    this.#writer = new LeaderWriter(store, term);
    this.#events = new EventLog({ epoch: term.epoch });
    this.#startedAt = world.clock.wall();
    const ring = (): void => this.#wakeup.ring();
    this.#mirror = new Mirror(world, localView(store), { prefix: '/', onChange: ring });
    this.#leases = new AgentLeases(world, store, { onChange: ring });
  }

  /** Until the term ends. Rejects with the reason of its end. */
  async run(): Promise<void> {
    const { signal } = this.#term;
    const following = Promise.all([this.#mirror.run(signal), this.#leases.run(signal)]);
    try {
      while (true) {
        await this.#wakeup.wait(signal);
        // C1: our own last write comes through the watch and rings again.
        if (this.#mirror.revision < this.#writer.lastRevision) continue;
        await this.#pass();
        await this.#world.clock.sleep(this.#options.minPassIntervalMs, signal);
      }
    } finally {
      this.#alarm?.timer[Symbol.dispose]();
      this.#term.end('its loop has ended');
      await following;
    }
  }

  async #pass(): Promise<void> {
    const snapshot = snapshotOf(this.#mirror.itemsByKey, this.#mirror.revision);
    this.#leases.track(new Map([...snapshot.agents].map(([node, item]) => [node, item.modRevision])));
    const now = this.#now();
    const common = { now, termStartedAt: this.#startedAt, options: this.#options, memory: this.#memory, wakeAt: (moment: Moment) => this.#wakeAt(moment) };
    const pass: Pass = {
      ...common,
      snapshot,
      epoch: this.#term.epoch,
      writer: this.#writer,
      events: this.#events,
      conditions: judgeNodes(snapshot, { ...common, leases: this.#leases }),
      attempt: (object, work) => this.#attempt(object, work),
    };
    for (const reconcile of RECONCILERS) await this.#attempt(reconcile.name, () => reconcile(pass));
    await this.#attempt('events', () => this.#events.flush(snapshot, this.#writer));
  }

  /** Wall time of the term's start plus monotonic time since: a clock that is set does not move deadlines. */
  #now(): Moment {
    return later(this.#startedAt, Math.floor(this.#world.clock.now() - this.#term.startedAt));
  }

  #wakeAt(moment: Moment): void {
    const now = this.#now();
    const isArmed = this.#alarm !== undefined && this.#alarm.at > now && this.#alarm.at <= moment;
    if (isArmed) return;
    this.#alarm?.timer[Symbol.dispose]();
    this.#alarm = { at: moment, timer: this.#world.clock.after(Math.max(1, moment - now + 1), () => this.#wakeup.ring()) };
  }

  async #attempt(object: string, work: () => Promise<void>): Promise<void> {
    const trouble = this.#troubleByObject.get(object);
    if (trouble !== undefined && trouble.retryAt > this.#now()) return;
    try {
      await work();
      this.#troubleByObject.delete(object);
    } catch (error) {
      if (hasCode(error, 'LEASE_LOST') || isAbort(error, this.#term.signal)) throw error;
      const failures = (trouble?.failures ?? 0) + 1;
      const retryAt = later(this.#now(), backoffMs(RETRY, failures - 1, this.#world.random.next()));
      this.#troubleByObject.set(object, { failures, retryAt });
      this.#wakeAt(retryAt);
      this.#world.log.write('error', 'reconciling failed', { object, cause: messageOf(error), failures });
      note({ events: this.#events, now: this.#now() }, object.includes('/') ? object : 'cluster', {
        level: 'error',
        kind: 'control-error',
        message: messageOf(error),
      });
    }
  }
}
