import { PlatformError } from '#base/errors';
import type { Instant } from '#world/world';
import type { LeaseId, LeaseStatus } from './store.ts';

/** More leases than this are refused with LIMIT. */
const MAX_LEASES = 100_000;

interface Lease {
  readonly id: LeaseId;
  readonly durationMs: number;
  expiresAt: Instant;
  readonly keys: Set<string>;
}

/** Leases, when they end, and the keys that end with them. A lease lives until it is removed, even when its time is over. */
export class LeaseTable {
  readonly #leases = new Map<LeaseId, Lease>();

  get size(): number {
    return this.#leases.size;
  }

  /** INVALID for a duration that is not positive, EXISTS for a known id, LIMIT at MAX_LEASES. */
  grant(id: LeaseId, options: { readonly durationMs: number; readonly now: Instant }): LeaseStatus {
    const { durationMs, now } = options;
    if (!(durationMs > 0 && Number.isFinite(durationMs))) {
      throw new PlatformError('INVALID', `Cannot grant a lease of ${durationMs} ms, because it must be longer than nothing`, { durationMs });
    }
    if (this.#leases.has(id)) throw new PlatformError('EXISTS', `Cannot grant lease "${id}", because it exists`, { lease: id });
    if (this.#leases.size >= MAX_LEASES) {
      throw new PlatformError('LIMIT', `Cannot grant a lease, because there are ${MAX_LEASES}`, { limit: MAX_LEASES });
    }
    this.#leases.set(id, { id, durationMs, expiresAt: (now + durationMs) as Instant, keys: new Set() });
    return { id, durationMs, remainingMs: durationMs };
  }

  keep(id: LeaseId, now: Instant): LeaseStatus {
    const lease = this.#leases.get(id);
    if (!lease) throw new PlatformError('LEASE_LOST', `Cannot keep lease "${id}", because it has ended`, { lease: id });
    lease.expiresAt = (now + lease.durationMs) as Instant;
    return { id, durationMs: lease.durationMs, remainingMs: lease.durationMs };
  }

  status(id: LeaseId, now: Instant): LeaseStatus | undefined {
    const lease = this.#leases.get(id);
    return lease && { id, durationMs: lease.durationMs, remainingMs: Math.max(0, lease.expiresAt - now) };
  }

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  attach(id: LeaseId, key: string): void {
    this.#leases.get(id)?.keys.add(key);
  }

  detach(id: LeaseId, key: string): void {
    this.#leases.get(id)?.keys.delete(key);
  }

  /** Forgets the lease and returns its keys; `undefined` if there is no such lease. */
  remove(id: LeaseId): ReadonlySet<string> | undefined {
    const lease = this.#leases.get(id);
    this.#leases.delete(id);
    return lease?.keys;
  }

  /** Leases whose time is over, in order of their end. */
  due(now: Instant): LeaseId[] {
    const due: Lease[] = [];
    for (const lease of this.#leases.values()) if (lease.expiresAt <= now) due.push(lease);
    return due.sort((a, b) => a.expiresAt - b.expiresAt).map((lease) => lease.id);
  }

  /** When the next lease ends; `undefined` without leases. */
  nextExpiry(): Instant | undefined {
    let next: Instant | undefined;
    for (const lease of this.#leases.values()) if (next === undefined || lease.expiresAt < next) next = lease.expiresAt;
    return next;
  }

  /** Gives every lease at least `graceMs` (or its own duration, if shorter) from now. */
  extend(graceMs: number, now: Instant): void {
    for (const lease of this.#leases.values()) {
      lease.expiresAt = Math.max(lease.expiresAt, now + Math.min(graceMs, lease.durationMs)) as Instant;
    }
  }
}
