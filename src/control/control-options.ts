/** What may be set of control; the defaults suit one machine to a hundred. */
export interface ControlOptions {
  /** How long a silent leader is believed. */
  readonly leaderLeaseMs: number;
  /** Of agents: how long nobody is declared lost after a leader's start, together with the grace (N8). */
  readonly nodeLeaseMs: number;
  readonly lostGraceMs: number;
  /** Passes are at least this far apart. */
  readonly minPassIntervalMs: number;
  /** How long a node that its pool gives up may drain. */
  readonly shrinkDrainMs: number;
  /** Ports of the gateway's internal listeners, both included. */
  readonly internalPorts: { readonly first: number; readonly last: number };
  /** Releases kept per app, besides those in use. */
  readonly maxReleases: number;
}

export const CONTROL_DEFAULTS: ControlOptions = {
  leaderLeaseMs: 10_000,
  nodeLeaseMs: 10_000,
  lostGraceMs: 5_000,
  minPassIntervalMs: 20,
  shrinkDrainMs: 900_000,
  internalPorts: { first: 7800, last: 7999 },
  maxReleases: 20,
};
