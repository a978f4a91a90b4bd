/** How a tunnel to a backend that drains comes to its end. */
export interface TunnelDrain {
  /** When the drain began, in ms. */
  readonly since: number;
  /** After so long nothing is left. */
  readonly drainMs: number;
}

const spreadMs = 30_000;

/**
 * When one tunnel of a draining backend is ended: it lives on for as long as the drain allows, but not all end together, because their clients come back at once. The
 * last part of the drain, at most half of it, is for that. `luck` is in [0, 1).
 */
export function tunnelEndsAt({ since, drainMs }: TunnelDrain, luck: number): number {
  return since + drainMs - Math.min(spreadMs, drainMs / 2) * (1 - luck);
}

/** When it ends under several drains at once: its backend's, and that of the worker. Never, if there is none. */
export function earliestEnd(drains: readonly (TunnelDrain | undefined)[], luck: number): number {
  return Math.min(...drains.map((drain) => (drain === undefined ? Number.POSITIVE_INFINITY : tunnelEndsAt(drain, luck))));
}
