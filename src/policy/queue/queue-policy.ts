/** Whole microseconds: a duration, or a moment on the host's own clock. At most 2^53. */
export type Micros = number;

export type TaskState = 'ready' | 'running' | 'gone';

/** A unit of work as a queue policy sees it. The host owns it and changes it; a policy writes only `note` and `noteAt`. */
export interface Task {
  readonly id: string;
  /** Order of submission, unique: the tie-break of every policy that names no other. */
  readonly seq: number;
  readonly tenant: string;
  /** Share of its tenant under the weighted policies. */
  readonly weight: number;
  /** Smaller is more urgent unless the policy's options say otherwise. */
  readonly priority: number;
  readonly submitted: Micros;
  /** Useful service received up to the end of its last slice; see `JobView.attained` for a running task. */
  readonly attained: Micros;
  /** Predicted total service, never the true one; 0 when nothing is known. */
  readonly estimate: Micros;
  /** Moment by which it should be done; Infinity when there is none. */
  readonly deadline: Micros;
  /** Workers it holds at the same time. */
  readonly width: number;
  /** What it holds of each resource of `JobView.capacity`, while it runs. */
  readonly demand: readonly number[];
  readonly state: TaskState;
  /** When its present slice began, the cost of switching to it included. */
  readonly startedAt: Micros;
  /** The worker it runs on, or ran on last; -1 before the first. */
  readonly worker: number;
  readonly preemptible: boolean;
  /** Scratch of the policy, zero on arrival: a level, a queue number. The host keeps it with the task over a snapshot. */
  note: number;
  noteAt: Micros;
}

export type JobEventKind =
  | 'arrive' // ready for the first time, or handed over by the policy before
  | 'expire' // its slice ended with work left; ready again
  | 'fail' // its attempt or its worker died; ready again
  | 'finish'
  | 'leave' // cancelled or out of patience while ready
  | 'worker-up'
  | 'worker-down';

/** One thing that happened. The host reuses the object: copy what must outlive the call. */
export interface JobEvent {
  readonly kind: JobEventKind;
  /** Absent for events of workers. */
  readonly task: Task | undefined;
  readonly worker: number;
}

/** What a policy may look at when it decides. */
export interface JobView {
  /** Workers that are up and idle. */
  readonly free: number;
  readonly workers: number;
  /** Tasks that are running; the order means nothing. */
  readonly running: readonly Task[];
  readonly readyCount: number;
  /** Amount of each resource; empty when tasks hold only workers. */
  readonly capacity: readonly number[];
  isFree(worker: number): boolean;
  /** Useful service up to this instant, running or not. */
  attained(task: Task): Micros;
  /** Every task that is ready or running, in order of submission. */
  tasks(): Iterable<Task>;
}

/**
 * What a policy may do. The host checks each action at once: false means that it was refused and counted, and nothing changed.
 * Actions are calls rather than returned objects because a million decisions a second must allocate nothing.
 */
export interface JobActions {
  /** Starts or resumes a ready task, for `quantum` of useful service (0: until it is done), on `worker` (-1: the host picks). */
  run(task: Task, quantum: Micros, worker: number): boolean;
  /** Takes a running task off its worker; it is ready again and the policy keeps it. */
  pause(task: Task): boolean;
  /** Tells people when a waiting task is planned to start. */
  reserve(task: Task, at: Micros): void;
}

/** The only clock and the only luck of a policy. */
export interface PolicyContext {
  readonly now: Micros;
  /** Uniform in [0, 1). */
  random(): number;
  /** Asks for a decision at that moment, if nothing causes one before. */
  wakeAt(moment: Micros): void;
}

/** What a policy needs of its host; a host that cannot give it refuses the policy. */
export interface PolicyUses {
  readonly estimate?: boolean;
  readonly preempt?: boolean;
  readonly quantum?: boolean;
}

/** Plain data a policy can be restored from: JSON-able. */
export type PolicySnapshot = Readonly<Record<string, unknown>>;

/**
 * Decides which job runs next, where, and for how long. Pure of I/O and of clocks: the same events give the same decisions.
 * The host calls `on` for each event of an instant, in the order completions, workers, arrivals, expiries, and then `decide` once
 * if any task is ready.
 */
export interface QueuePolicy {
  /** Its policy string. */
  readonly name: string;
  readonly uses: PolicyUses;
  on(event: JobEvent, context: PolicyContext): void;
  decide(view: JobView, act: JobActions, context: PolicyContext): void;
  /** Sentences with numbers: why the task waits, or why it runs where it runs. */
  explain(task: Task, view: JobView, context: PolicyContext): readonly string[];
  snapshot(): PolicySnapshot;
  /** Takes over in the middle: the tasks of `view` are known without an `arrive`. */
  restore(snapshot: PolicySnapshot, view: JobView): void;
}
