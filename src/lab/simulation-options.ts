import type { Micros, QueuePolicy } from '#policy/queue/queue-policy';
import type { JobSource } from './job-source.ts';
import type { Law } from './laws.ts';
import type { SimTask } from './sim-task.ts';

export interface SimulationObserver {
  /** A stretch of useful service ended. */
  slice?(task: SimTask, from: Micros, to: Micros): void;
  finished?(task: SimTask, now: Micros): void;
  /** The number of jobs in the system after an instant. */
  population?(now: Micros, inSystem: number): void;
}

export interface SimulationOptions {
  readonly policy: QueuePolicy;
  readonly source: JobSource;
  readonly workers: number;
  readonly seed: number;
  /** Jobs expected in all, and how many of the first are not measured. */
  readonly jobs: number;
  readonly warmup?: number;
  /** What areas are taken over: from the first measured to the last arrival (default), or from zero to the last departure. */
  readonly window?: 'steady' | 'all';
  /** Cost of giving a worker to a task, before useful work; each time, or only when the worker changes its task. */
  readonly switchCost?: Micros;
  readonly switchMode?: 'every-slice' | 'on-change';
  /** Time an idle worker needs before it serves again (cold start), in units. */
  readonly setup?: Law;
  /** Most jobs in the system; more are turned away. */
  readonly capacity?: number;
  /** How long a job waits for its first service before it leaves, in units. */
  readonly patience?: Law;
  /** Each worker fails after `up` and returns after `down`, in units; its task starts again from nothing or from where it was. */
  readonly failures?: { readonly up: Law; readonly down: Law; readonly progress: 'lost' | 'kept' };
  /** Workers are only counted, not told apart: for tasks that need many at once. */
  readonly pooled?: boolean;
  /** Amounts of resources that tasks demand besides a worker. */
  readonly resources?: readonly number[];
  readonly tau?: Micros;
  /**
   * How long a policy may think about one decision, on a clock of the caller in microseconds. One that takes longer is replaced. Without it only the number
   * of steps is limited, so that results do not depend on the machine.
   */
  readonly budget?: { readonly micros: number; readonly clock: () => number };
  readonly observer?: SimulationObserver;
}
