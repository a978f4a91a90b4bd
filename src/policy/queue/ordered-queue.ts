import type { JobActions, JobEvent, JobView, PolicyContext, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TaskHeap } from './task-heap.ts';

/** How a policy that always runs the smallest key orders its tasks. */
export interface Ordering {
  readonly name: string;
  readonly uses: PolicyUses;
  /** The key of a ready task; fixed for as long as it waits. */
  key(task: Task, context: PolicyContext): number;
  /** The key of a running task, for policies that preempt. Absent: a running task is never interrupted. */
  runningKey?(task: Task, view: JobView): number;
  /** Turns a key into words: `estimate 3s`. */
  describe(key: number): string;
}

/** The policy that runs the task with the smallest key, ties by submission, and preempts only for a strictly smaller one. */
export class OrderedQueue implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses;
  readonly #ordering: Ordering;
  readonly #ready = new TaskHeap();

  constructor(ordering: Ordering) {
    this.name = ordering.name;
    this.uses = ordering.uses;
    this.#ordering = ordering;
  }

  on(event: JobEvent, context: PolicyContext): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'expire' || event.kind === 'fail') this.#ready.push(task, this.#ordering.key(task, context), task.seq);
    else if (event.kind === 'leave') this.#ready.remove(task);
  }

  decide(view: JobView, act: JobActions, context: PolicyContext): void {
    const ready = this.#ready;
    for (let task = ready.peek(); task !== undefined && task.width <= view.free; task = ready.peek()) {
      ready.pop();
      act.run(task, 0, -1);
    }
    if (this.#ordering.runningKey !== undefined && ready.size > 0) this.#preempt(view, act, context);
  }

  explain(task: Task, view: JobView): readonly string[] {
    if (task.state === 'running') return [`runs on worker ${task.worker} since ${task.startedAt} us`];
    const rank = this.#ready.rankOf(task);
    const next = this.#ready.peek();
    const lines = [`${rank} of ${this.#ready.size} waiting tasks go before it by ${this.name}`, `${view.free} of ${view.workers} workers are free`];
    if (next !== undefined && next !== task) lines.push(`next is ${next.id} with ${this.#ordering.describe(this.#ready.peekKey())}`);
    return lines;
  }

  snapshot(): PolicySnapshot {
    return { ready: this.#ready.entries() };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    const byId = new Map([...view.tasks()].map((task) => [task.id, task]));
    for (const [id, key, tie] of snapshot['ready'] as readonly (readonly [string, number, number])[]) {
      const task = byId.get(id);
      if (task !== undefined) this.#ready.push(task, key, tie);
    }
  }

  /** Swaps the worst running task for the best waiting one while the latter is strictly better. Gangs wider than one wait instead. */
  #preempt(view: JobView, act: JobActions, context: PolicyContext): void {
    const ready = this.#ready;
    const runningKey = this.#ordering.runningKey;
    if (runningKey === undefined) return;
    while (ready.size > 0) {
      let worst: Task | undefined;
      let worstKey = Number.NEGATIVE_INFINITY;
      for (const task of view.running) {
        if (!task.preemptible) continue;
        const key = runningKey(task, view);
        if (key > worstKey || (key === worstKey && worst !== undefined && task.seq > worst.seq)) {
          worst = task;
          worstKey = key;
        }
      }
      const best = ready.peek();
      if (worst === undefined || best === undefined || !(ready.peekKey() < worstKey) || best.width > worst.width + view.free) return;
      if (!act.pause(worst)) return;
      ready.pop();
      ready.push(worst, this.#ordering.key(worst, context), worst.seq);
      act.run(best, 0, -1);
    }
  }
}
