import { hasCode } from '#base/errors';
import { isAbort } from '#base/signal';
import type { Store } from '#store/store';
import type { World } from '#world/world';
import { CONTROL_DEFAULTS, type ControlOptions } from './control-options.ts';
import { lead, type Term } from './leadership.ts';
import { ControlLoop } from './loop.ts';

/** One control of a cluster: any number may run, one at a time leads. */
export interface Control {
  readonly world: World;
  readonly store: Store;
  /** Of this seat, the same after a restart: `control-1`. */
  readonly identity: string;
  readonly options?: Partial<ControlOptions>;
  /** Told of each term as it begins. */
  readonly onTerm?: (term: Term) => void;
  readonly signal: AbortSignal;
}

/** Runs for leader and, while leading, keeps the cluster as wanted. Returns when the signal aborts, with the lead handed over. */
export async function runControl({ world, store, identity, options, onTerm, signal }: Control): Promise<void> {
  const all: ControlOptions = { ...CONTROL_DEFAULTS, ...options };
  const work = async (term: Term): Promise<void> => {
    onTerm?.(term);
    try {
      await new ControlLoop(world, { store, term, options: all }).run();
    } catch (error) {
      if (!hasCode(error, 'LEASE_LOST') && !isAbort(error, term.signal)) throw error;
    }
  };
  await lead({ world, store, identity, leaseMs: all.leaderLeaseMs }, work, signal);
}
