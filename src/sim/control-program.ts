import { runControl } from '#control/control';
import type { ControlOptions } from '#control/control-options';
import type { Term } from '#control/leadership';
import type { HistoryLimits } from '#store/mvcc';
import type { Program } from '#world/simulated/program';
import type { Address } from '#world/world';
import { untilAborted } from './app-program.ts';
import { RemoteStore } from './remote-store.ts';
import type { StoreHistory } from './store-history.ts';
import { serveStore } from './store-program.ts';

/** What the simulation sees of its controls: who takes itself for the leader, and since when it runs. */
export interface ControlObserver {
  onStart(identity: string): void;
  onTerm(identity: string, term: Term): void;
}

export interface ControlProgramOptions {
  readonly history: StoreHistory;
  readonly observer: ControlObserver;
  readonly control: Partial<ControlOptions>;
  readonly limits?: HistoryLimits;
  /** Where a store of its own host is, if there is one. */
  readonly storeAddress: Address;
}

/** Store and control in one process, as `haven up` starts them: `store-and-control HOST`. */
export function storeAndControlProgram(options: ControlProgramOptions): Program {
  return async ({ world, signal, arguments: [host = ''] }) => {
    const { history, observer, limits } = options;
    await using served = await serveStore(world, { host, history, ...(limits ? { limits } : {}) });
    observer.onStart(host);
    const onTerm = (term: Term) => observer.onTerm(host, term);
    await runControl({ world, store: served.store, identity: host, options: options.control, onTerm, signal });
  };
}

/** Only the store, for a fleet of controls: `store HOST`. */
export function storeProgram(options: Pick<ControlProgramOptions, 'history' | 'limits'>): Program {
  return async ({ world, signal, arguments: [host = ''] }) => {
    const { history, limits } = options;
    await using _served = await serveStore(world, { host, history, ...(limits ? { limits } : {}) });
    await untilAborted(signal);
  };
}

/** One control of a fleet: `control IDENTITY`. */
export function controlProgram(options: ControlProgramOptions): Program {
  return async ({ world, signal, arguments: [identity = ''] }) => {
    const { observer } = options;
    const store = new RemoteStore(world, { address: options.storeAddress, caller: identity });
    observer.onStart(identity);
    const onTerm = (term: Term) => observer.onTerm(identity, term);
    await runControl({ world, store, identity, options: options.control, onTerm, signal });
  };
}
