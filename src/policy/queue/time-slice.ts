import type { JobActions, JobEvent, JobView, Micros, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TaskRing } from './task-ring.ts';
import { tasksById } from './tasks-by-id.ts';

/** Time slices: every ready task gets `quantum` of service in turn; one that is not done goes to the back. */
export class TimeSlice implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = { quantum: true, preempt: true };
  readonly #quantum: Micros;
  readonly #ready = new TaskRing();

  constructor(name: string, options: { readonly quantum: Micros }) {
    this.name = name;
    this.#quantum = options.quantum;
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'expire' || event.kind === 'fail') this.#ready.push(task);
    else if (event.kind === 'leave') this.#ready.remove(task);
  }

  decide(view: JobView, act: JobActions): void {
    const ready = this.#ready;
    for (let task = ready.peek(); task !== undefined && task.width <= view.free; task = ready.peek()) {
      ready.pop();
      act.run(task, task.preemptible ? this.#quantum : 0, -1);
    }
  }

  explain(task: Task, view: JobView): readonly string[] {
    if (task.state === 'running') return [`has a slice of ${this.#quantum} us on worker ${task.worker} since ${task.startedAt} us`];
    const before = this.#ready.indexOf(task);
    return [`${before} tasks have their slice before it`, `at most ${before * this.#quantum} us of others' service shared by ${view.workers} workers`];
  }

  snapshot(): PolicySnapshot {
    return { ready: this.#ready.ids() };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    for (const task of tasksById(snapshot['ready'], view)) this.#ready.push(task);
  }
}
