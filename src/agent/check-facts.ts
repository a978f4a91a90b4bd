import type { Moment } from './moment.ts';

/** The check that counts now: startup before ready, alive after. */
export interface CheckFacts {
  readonly probes: number;
  readonly probedAt?: Moment;
  /** Passes since the last failure. */
  readonly passes: number;
  /** Failures since the check was last passed often enough in a row. */
  readonly failures: number;
  /** Why the last probe failed. */
  readonly lastFailure?: string;
}

export const NO_CHECKS: CheckFacts = { probes: 0, passes: 0, failures: 0 };

/** The facts after one more probe. `failure` is why it failed; H3: failures count until `rise` passes in a row have followed. */
export function afterProbe(before: CheckFacts, probe: { readonly failure: string | undefined; readonly rise: number; readonly at: Moment }): CheckFacts {
  const { failure, rise, at } = probe;
  const counted = { ...before, probes: before.probes + 1, probedAt: at };
  if (failure !== undefined) return { ...counted, passes: 0, failures: before.failures + 1, lastFailure: failure };
  const passes = before.passes + 1;
  return { ...counted, passes, failures: passes >= rise ? 0 : before.failures };
}
