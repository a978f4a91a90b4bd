import type { JobActions, JobEvent, JobView, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TaskRing } from './task-ring.ts';
import { tasksById } from './tasks-by-id.ts';

/** First come, first served. A head wider than what is free holds up all behind it. */
export class Fifo implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = {};
  readonly #ready = new TaskRing();

  constructor(name = 'fifo') {
    this.name = name;
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'expire') this.#ready.push(task);
    else if (event.kind === 'fail') this.#ready.pushFront(task);
    else if (event.kind === 'leave') this.#ready.remove(task);
  }

  decide(view: JobView, act: JobActions): void {
    const ready = this.#ready;
    for (let task = ready.peek(); task !== undefined && task.width <= view.free; task = ready.peek()) {
      ready.pop();
      act.run(task, 0, -1);
    }
  }

  explain(task: Task, view: JobView): readonly string[] {
    if (task.state === 'running') return [`runs on worker ${task.worker} since ${task.startedAt} us`];
    const before = this.#ready.indexOf(task);
    return [`${before} tasks came before it`, `it needs ${task.width} of ${view.free} free workers`];
  }

  snapshot(): PolicySnapshot {
    return { ready: this.#ready.ids() };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    for (const task of tasksById(snapshot['ready'], view)) this.#ready.push(task);
  }
}
