import { type Backoff, backoffMs } from '#base/backoff';
import { hasCode, messageOf, PlatformError } from '#base/errors';
import { isAbort, unlessAborted } from '#base/signal';
import { LEADER_KEY } from '#model/keys';
import type { Compare, LeaseId, Revision, Store } from '#store/store';
import type { Instant, UnixMs, World } from '#world/world';

const RETRY: Backoff = { baseMs: 200, capMs: 5_000, jitter: 0.5 };

/** Who wants to lead, and for how long a silent leader is believed. */
export interface Candidacy {
  readonly world: World;
  readonly store: Store;
  /** Of this seat: a control that starts again under its old identity takes over from its former self at once. */
  readonly identity: string;
  readonly leaseMs: number;
}

/** What is written at LEADER_KEY. */
export interface LeaderRecord {
  readonly identity: string;
  /** On the wall clock of the leader, when it asked for the lead. */
  readonly since?: UnixMs;
}

/**
 * One time of being leader. L1: the epoch is the leader key's create revision, so a later leader's is higher. L2: `isCurrent` is decided on this machine's
 * clock, from the moment before the last successful renewal was sent (N2). L3: a write compares the fence, so that even a leader that is
 * wrong about L2 changes nothing.
 */
export class Term {
  readonly epoch: Revision;
  readonly startedAt: Instant;
  readonly #world: World;
  readonly #ending = new AbortController();
  #deadline: Instant;

  constructor(world: World, options: { readonly epoch: Revision; readonly deadline: Instant }) {
    this.#world = world;
    this.epoch = options.epoch;
    this.startedAt = world.clock.now();
    this.#deadline = options.deadline;
  }

  /** Aborts with LEASE_LOST when the term is over. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Part of every write of a leader. */
  get fence(): Compare {
    return { key: LEADER_KEY, target: 'createRevision', is: '=', to: this.epoch };
  }

  get deadline(): Instant {
    return this.#deadline;
  }

  isCurrent(): boolean {
    return !this.signal.aborted && this.#world.clock.now() < this.#deadline;
  }

  extend(deadline: Instant): void {
    this.#deadline = deadline;
  }

  end(reason: string): void {
    if (!this.signal.aborted) this.#ending.abort(new PlatformError('LEASE_LOST', `Cannot go on as leader, because ${reason}`, { epoch: this.epoch }));
  }
}

/** Runs for leader again and again until the signal aborts; calls `work` once for each term and ends the term when `work` ends. */
export async function lead(candidacy: Candidacy, work: (term: Term) => Promise<void>, signal: AbortSignal): Promise<void> {
  const { world } = candidacy;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const held = await acquire(candidacy, signal);
      if (held === undefined) continue;
      failures = 0;
      world.log.write('info', 'leading', { identity: candidacy.identity, epoch: held.term.epoch });
      await serve(candidacy, held, { work, signal });
    } catch (error) {
      if (isAbort(error, signal)) return;
      world.log.write('warn', 'leadership interrupted', { identity: candidacy.identity, cause: messageOf(error) });
      await world.clock.sleep(backoffMs(RETRY, failures++, world.random.next()), signal).catch(() => undefined);
    }
  }
}

interface Held {
  readonly term: Term;
  readonly lease: LeaseId;
}

/** Takes the leader key, or waits until it may be free: then `undefined`. */
async function acquire({ world, store, identity, leaseMs }: Candidacy, signal: AbortSignal): Promise<Held | undefined> {
  const sentAt = world.clock.now();
  const { id: lease } = await unlessAborted(store.grantLease(leaseMs), signal);
  const record: LeaderRecord = { identity, since: world.clock.wall() };
  const result = await store.transact(
    {
      compare: [{ key: LEADER_KEY, target: 'createRevision', is: '=', to: 0 }],
      then: [{ kind: 'put', key: LEADER_KEY, value: JSON.stringify(record), lease }],
      else: [{ kind: 'read', range: { key: LEADER_KEY } }],
    },
    { signal },
  );
  if (result.succeeded) return { term: new Term(world, { epoch: result.revision, deadline: deadlineOf(sentAt, leaseMs) }), lease };
  await store.revokeLease(lease);
  const [read] = result.results;
  const holder = read?.kind === 'read' ? read.items[0] : undefined;
  if (holder !== undefined && (JSON.parse(holder.value) as LeaderRecord).identity === identity) {
    // Our former self is gone, or will find its fence broken.
    const compare: Compare = { key: LEADER_KEY, target: 'createRevision', is: '=', to: holder.createRevision };
    await store.transact({ compare: [compare], then: [{ kind: 'delete', range: { key: LEADER_KEY } }] }, { signal });
    return undefined;
  }
  await untilDeleted(store, { fromRevision: (result.revision + 1) as Revision, signal });
  return undefined;
}

async function untilDeleted(store: Store, { fromRevision, signal }: { readonly fromRevision: Revision; readonly signal: AbortSignal }): Promise<void> {
  for await (const { events } of store.watch({ key: LEADER_KEY }, { fromRevision, signal })) {
    if (events.some((event) => event.kind === 'delete')) return;
  }
}

async function serve(
  candidacy: Candidacy,
  { term, lease }: Held,
  { work, signal }: { readonly work: (term: Term) => Promise<void>; readonly signal: AbortSignal },
): Promise<void> {
  const renewing = renew(candidacy, { term, lease });
  const abort = (): void => term.end('it was asked to stop');
  signal.addEventListener('abort', abort, { once: true });
  try {
    await work(term);
  } catch (error) {
    if (!isAbort(error, term.signal) && !hasCode(error, 'LEASE_LOST')) throw error;
  } finally {
    signal.removeEventListener('abort', abort);
    const wasCurrent = term.isCurrent() || signal.aborted;
    term.end('its work has ended');
    await renewing;
    // Left in order, the next leader need not wait for the lease to run out.
    if (wasCurrent) await candidacy.store.revokeLease(lease).catch(() => undefined);
  }
}

/** N1, N2: renews every third of the lease and ends the term at the local deadline, whatever the store says or does not say. */
async function renew({ world, store, leaseMs }: Candidacy, { term, lease }: Held): Promise<void> {
  let alarm = armed(world, term);
  try {
    while (!term.signal.aborted) {
      await world.clock.sleep((leaseMs / 3) * (0.9 + 0.2 * world.random.next()), term.signal);
      const sentAt = world.clock.now();
      try {
        await unlessAborted(store.keepLease(lease), term.signal);
        // L2: a renewal that was answered after the deadline does not bring the term back.
        if (!term.isCurrent()) break;
        term.extend(deadlineOf(sentAt, leaseMs));
        alarm[Symbol.dispose]();
        alarm = armed(world, term);
      } catch (error) {
        if (hasCode(error, 'LEASE_LOST')) term.end('its lease has ended in the store');
        world.log.write('debug', 'lease not renewed', { cause: messageOf(error) });
      }
    }
  } catch (error) {
    if (!isAbort(error, term.signal)) throw error;
  } finally {
    alarm[Symbol.dispose]();
    term.end('its lease was not renewed in time');
  }
}

function armed(world: World, term: Term): Disposable {
  return world.clock.after(term.deadline - world.clock.now(), () => term.end('its lease was not renewed in time'));
}

/** A tenth of the lease is left for writes under way and for clocks that run differently. */
function deadlineOf(sentAt: Instant, leaseMs: number): Instant {
  return (sentAt + leaseMs * 0.9) as Instant;
}
