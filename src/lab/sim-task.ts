import type { Micros, Task, TaskState } from '#policy/queue/queue-policy';
import type { JobRecord } from './job-source.ts';

const NO_DEMAND: readonly number[] = [];

/** A job inside the simulator: what a policy may see of it, and what only the host knows. Objects are used again after a job is done. */
export class SimTask implements Task {
  seq = 0;
  tenant = '';
  weight = 1;
  priority = 0;
  submitted: Micros = 0;
  attained: Micros = 0;
  estimate: Micros = 0;
  deadline: Micros = Number.POSITIVE_INFINITY;
  width = 1;
  demand: readonly number[] = NO_DEMAND;
  state: TaskState = 'ready';
  startedAt: Micros = 0;
  worker = -1;
  preemptible = true;
  note = 0;
  noteAt: Micros = 0;
  label = '';

  /** True service; hidden from policies. */
  size: Micros = 0;
  /** Index of its class of jobs, for statistics by class. */
  kind = 0;
  /** What predictors go by. */
  group = 0;
  /** First moment it ran; -1 before. */
  firstStart: Micros = -1;
  slices = 0;
  /** Number of the action that started it within its decision: the order of tasks started at one instant. */
  startOrder = 0;
  /** Of its present slice: the cost paid before useful work, and when it ends. */
  overhead: Micros = 0;
  endAt: Micros = 0;
  /** Position in the host's heap of running tasks. */
  heapIndex = -1;
  isMeasured = false;
  /** Neighbours in the host's list of tasks in the system, in order of submission. */
  before: SimTask | undefined = undefined;
  after: SimTask | undefined = undefined;

  get id(): string {
    return this.label === '' ? `job-${this.seq}` : this.label;
  }

  /** Becomes the job of a record that has just arrived: every field is set, because the object may have been another job before. */
  begin(record: JobRecord, arrival: { readonly seq: number; readonly now: Micros; readonly isMeasured: boolean }): void {
    this.seq = arrival.seq;
    this.label = record.label;
    this.tenant = record.tenant;
    this.kind = record.kind;
    this.group = record.group;
    this.weight = record.weight;
    this.priority = record.priority;
    this.submitted = arrival.now;
    this.size = record.size;
    this.estimate = record.estimate;
    this.deadline = record.deadline;
    this.width = record.width;
    this.demand = record.demand ?? NO_DEMAND;
    this.attained = 0;
    this.state = 'ready';
    this.worker = -1;
    this.note = 0;
    this.noteAt = 0;
    this.firstStart = -1;
    this.slices = 0;
    this.isMeasured = arrival.isMeasured;
  }
}
