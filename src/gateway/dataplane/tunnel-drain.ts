/** How tunnels to a backend that drains come to their end. */
export interface TunnelDrain {
  /** When the drain began, in ms. */
  readonly since: number;
  /** After so long nothing is left. */
  readonly drainMs: number;
  /** One that was opened in the course of it has all of this time too: nobody waits for the end of the drain. */
  readonly isForEach?: boolean;
}

/** What of a tunnel decides when a drain ends it. */
export interface DrainedTunnel {
  /** When it came to its backend, in ms. */
  readonly openedAt: number;
  /** In [0, 1). */
  readonly luck: number;
}

const spreadMs = 30_000;

/**
 * When one tunnel of a draining backend is ended: it lives on for as long as the drain allows, but not all end together, because their clients come back at once. The
 * last part of the drain, at most half of it, is for that.
 */
export function tunnelEndsAt({ since, drainMs, isForEach = false }: TunnelDrain, { openedAt, luck }: DrainedTunnel): number {
  const begin = isForEach ? Math.max(since, openedAt) : since;
  return begin + drainMs - Math.min(spreadMs, drainMs / 2) * (1 - luck);
}

/** When it ends under several drains at once: its backend's, and that of the worker. Never, if there is none. */
export function earliestEnd(drains: readonly (TunnelDrain | undefined)[], tunnel: DrainedTunnel): number {
  return Math.min(...drains.map((drain) => (drain === undefined ? Number.POSITIVE_INFINITY : tunnelEndsAt(drain, tunnel))));
}
