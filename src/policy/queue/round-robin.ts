import type { JobActions, JobEvent, JobView, Micros, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TaskRing } from './task-ring.ts';
import { tasksById } from './tasks-by-id.ts';

/**
 * Round robin over workers: the first task goes to worker 0, the second to worker 1, and so on; each worker serves its own tasks in
 * order, by turns of `quantum` if one is given. Tasks of a worker that goes down are dealt again.
 */
export class RoundRobin implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses;
  readonly #quantum: Micros;
  readonly #queues: TaskRing[] = [];
  readonly #down = new Set<number>();
  readonly #unassigned = new TaskRing();
  #next = 0;

  constructor(name: string, options: { readonly quantum: Micros }) {
    this.name = name;
    this.#quantum = Number.isFinite(options.quantum) ? options.quantum : 0;
    this.uses = this.#quantum > 0 ? { quantum: true, preempt: true } : {};
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (event.kind === 'worker-down') {
      this.#down.add(event.worker);
      const queue = this.#queues[event.worker];
      for (let moved = queue?.pop(); moved !== undefined; moved = queue?.pop()) this.#unassigned.push(moved);
    } else if (event.kind === 'worker-up') this.#down.delete(event.worker);
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'fail') this.#unassigned.push(task);
    else if (event.kind === 'expire') this.#queue(task.note).push(task);
    else if (event.kind === 'leave' && !this.#unassigned.remove(task)) this.#queue(task.note).remove(task);
  }

  decide(view: JobView, act: JobActions): void {
    if (this.#down.size === view.workers) return;
    for (let task = this.#unassigned.pop(); task !== undefined; task = this.#unassigned.pop()) this.#deal(task, view.workers);
    if (view.free === 0) return;
    for (let worker = 0; worker < this.#queues.length; worker += 1) {
      const queue = this.#queue(worker);
      if (queue.size === 0 || !view.isFree(worker)) continue;
      const task = queue.pop();
      if (task !== undefined) act.run(task, this.#quantum, worker);
    }
  }

  explain(task: Task): readonly string[] {
    if (task.state === 'running') return [`runs on worker ${task.worker}, whose turn it was`];
    const before = this.#queue(task.note).indexOf(task);
    if (before === -1) return ['no worker is up'];
    return [`was dealt to worker ${task.note} in turn; ${before} tasks are before it there`];
  }

  snapshot(): PolicySnapshot {
    return { queues: this.#queues.map((queue) => queue.ids()), unassigned: this.#unassigned.ids(), next: this.#next, down: [...this.#down] };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    for (const [worker, ids] of (snapshot['queues'] as readonly unknown[]).entries()) {
      for (const task of tasksById(ids, view)) {
        task.note = worker;
        this.#queue(worker).push(task);
      }
    }
    for (const task of view.running) task.note = task.worker;
    for (const task of tasksById(snapshot['unassigned'], view)) this.#unassigned.push(task);
    for (const worker of snapshot['down'] as readonly number[]) this.#down.add(worker);
    this.#next = snapshot['next'] as number;
  }

  #deal(task: Task, workers: number): void {
    while (this.#down.has(this.#next % workers)) this.#next += 1;
    task.note = this.#next % workers;
    this.#next = (task.note + 1) % workers;
    this.#queue(task.note).push(task);
  }

  #queue(worker: number): TaskRing {
    while (this.#queues.length <= worker) this.#queues.push(new TaskRing());
    return this.#queues[worker] as TaskRing;
  }
}
