import type { JobActions, JobEvent, JobView, Micros, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TaskHeap } from './task-heap.ts';
import { tasksById } from './tasks-by-id.ts';

export interface StrictPriorityOptions {
  readonly order: 'low-first' | 'high-first';
  readonly preempt: 'no' | 'yes';
  /** Tasks of equal priority take turns of this length; Infinity: each runs to its end. */
  readonly quantum: Micros;
  /** Waiting this long is worth one level of priority; Infinity: never. */
  readonly ageing: Micros;
}

/** Strict priority, with turns among equals and ageing as options. A preempted task resumes at its place, or at the tail if there are turns. */
export class StrictPriority implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses;
  readonly #options: StrictPriorityOptions;
  readonly #ready = new TaskHeap();
  #entries = 0;

  constructor(name: string, options: StrictPriorityOptions) {
    this.name = name;
    this.uses = { preempt: options.preempt === 'yes', quantum: Number.isFinite(options.quantum) };
    this.#options = options;
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'expire' || event.kind === 'fail') this.#enter(task);
    else if (event.kind === 'leave') this.#ready.remove(task);
  }

  decide(view: JobView, act: JobActions): void {
    const quantum = Number.isFinite(this.#options.quantum) ? this.#options.quantum : 0;
    for (let task = this.#ready.peek(); task !== undefined; task = this.#ready.peek()) {
      if (task.width > view.free && !this.#makeRoom(task, view, act)) return;
      this.#ready.remove(task);
      act.run(task, quantum, -1);
    }
  }

  explain(task: Task, view: JobView): readonly string[] {
    if (task.state === 'running') return [`runs on worker ${task.worker} with priority ${task.priority}`];
    return [`${this.#ready.rankOf(task)} of ${this.#ready.size} waiting tasks are more urgent than priority ${task.priority}`, `${view.free} workers are free`];
  }

  snapshot(): PolicySnapshot {
    return { ready: this.#ready.entries(), entries: this.#entries };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    const entries = snapshot['ready'] as readonly (readonly [string, number, number])[];
    const byId = new Map(
      tasksById(
        entries.map(([id]) => id),
        view,
      ).map((task) => [task.id, task]),
    );
    for (const [id, key, tie] of entries) {
      const task = byId.get(id);
      if (task !== undefined) this.#ready.push(task, key, tie);
    }
    this.#entries = snapshot['entries'] as number;
  }

  #enter(task: Task): void {
    this.#entries += 1;
    this.#ready.push(task, this.#key(task), Number.isFinite(this.#options.quantum) ? this.#entries : task.seq);
  }

  /** Ageing at a constant rate keeps the order of any two tasks, so the key need not change while a task waits. */
  #key(task: Task): number {
    const level = this.#options.order === 'low-first' ? task.priority : -task.priority;
    return Number.isFinite(this.#options.ageing) ? level * this.#options.ageing + task.submitted : level;
  }

  #makeRoom(task: Task, view: JobView, act: JobActions): boolean {
    if (this.#options.preempt === 'no' || task.width > 1) return false;
    let worst: Task | undefined;
    for (const running of view.running) {
      if (running.preemptible && (worst === undefined || this.#isLessUrgent(running, worst))) worst = running;
    }
    if (worst === undefined || !(this.#key(task) < this.#key(worst)) || !act.pause(worst)) return false;
    this.#enter(worst);
    return true;
  }

  #isLessUrgent(task: Task, other: Task): boolean {
    const difference = this.#key(task) - this.#key(other);
    return difference > 0 || (difference === 0 && task.seq > other.seq);
  }
}
