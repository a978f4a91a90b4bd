/**
 * A discipline that serves several tasks at once, each at a fraction of the worker. A host that can share (the lab exactly, a machine by
 * CPU weights) does it; others take turns with a small quantum.
 */
export interface SharingPolicy {
  readonly name: string;
  /** An arrival shares with all that are served, or is served alone until it has got as much as those it displaced. */
  readonly newcomer: 'shares' | 'goes-first';
  /** Whether shares follow the tasks' weights; otherwise all are equal. */
  readonly isWeighted: boolean;
}

/** Sharing disciplines by name. */
export const SHARING: Readonly<Record<string, SharingPolicy>> = {
  ps: { name: 'ps', newcomer: 'shares', isWeighted: false },
  dps: { name: 'dps', newcomer: 'shares', isWeighted: true },
  las: { name: 'las', newcomer: 'goes-first', isWeighted: false },
};
