import type { Instance } from '#model/instance';
import type { ProcessIdentity, RunningProcess } from '#world/world';
import type { Activity } from '../status-of.ts';

/** What a runtime needs to bring one attempt to life. */
export interface Launch {
  readonly instance: Instance;
  /** The whole environment, secrets included. */
  readonly environment: Readonly<Record<string, string>>;
  /** Output is appended there. */
  readonly outputPath: string;
  /** By which the attempt can be found, whatever becomes of us. */
  readonly token: string;
}

/** How instances of one kind run (H1: one health model for all). Adding one is one file and one line in RUNTIMES. */
export interface Runtime {
  /**
   * Makes the node ready for the instance, once for all that share it, telling what it is at. PrepareFailure if that can never
   * succeed; the signal's reason when it aborts.
   */
  prepare(instance: Instance, options: { readonly onActivity: (activity: Activity) => void; readonly signal: AbortSignal }): Promise<void>;
  /** True when `prepare` has nothing to do. */
  isPrepared(instance: Instance): Promise<boolean>;
  /** Where the instance's commands run. */
  workingDirectory(instance: Instance): string;
  /** Starts one attempt. NOT_FOUND: the command does not exist. */
  start(launch: Launch): Promise<RunningProcess>;
  /** What lives of an attempt of an earlier agent, the leader or members it left; `undefined` if nothing does. */
  adopt(identity: ProcessIdentity): Promise<RunningProcess | undefined>;
  /** The same for an attempt of which only the token is known. */
  find(token: string): Promise<RunningProcess | undefined>;
}
