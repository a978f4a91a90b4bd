import type { JobActions, JobEvent, JobView, Micros, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TaskHeap } from './task-heap.ts';

/**
 * Least attained service: whoever got least runs, in turns of `quantum` among equals; an arrival interrupts at once. Needs no
 * estimates. As the quantum shrinks it tends to the exact foreground-background discipline (Kleinrock, Queueing Systems II).
 */
export class LeastAttained implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = { quantum: true, preempt: true };
  readonly #quantum: Micros;
  readonly #ready = new TaskHeap();
  #entries = 0;

  constructor(name: string, options: { readonly quantum: Micros }) {
    this.name = name;
    this.#quantum = options.quantum;
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'expire' || event.kind === 'fail') this.#enter(task);
    else if (event.kind === 'leave') this.#ready.remove(task);
  }

  decide(view: JobView, act: JobActions): void {
    for (let task = this.#ready.peek(); task !== undefined; task = this.#ready.peek()) {
      if (task.width > view.free && !this.#makeRoom(task, view, act)) return;
      this.#ready.remove(task);
      act.run(task, this.#quantum, -1);
    }
  }

  explain(task: Task, view: JobView): readonly string[] {
    const got = `it got ${view.attained(task)} us of service`;
    if (task.state === 'running') return [got, `a slice of ${this.#quantum} us began at ${task.startedAt} us`];
    return [got, `${this.#ready.rankOf(task)} waiting tasks got less or came first`];
  }

  snapshot(): PolicySnapshot {
    return { ready: this.#ready.entries(), entries: this.#entries };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    const byId = new Map([...view.tasks()].map((task) => [task.id, task]));
    for (const [id, key, tie] of snapshot['ready'] as readonly (readonly [string, number, number])[]) {
      const task = byId.get(id);
      if (task !== undefined) this.#ready.push(task, key, tie);
    }
    this.#entries = snapshot['entries'] as number;
  }

  #enter(task: Task): void {
    this.#entries += 1;
    this.#ready.push(task, task.attained, this.#entries);
  }

  /**
   * Interrupts running tasks that had got most when their turns began, as long as that is strictly more than `best` got. Nobody is
   * interrupted when all of them together hold too few workers for it.
   */
  #makeRoom(best: Task, view: JobView, act: JobActions): boolean {
    const better = view.running.filter((task) => task.preemptible && task.attained > best.attained);
    let room = view.free;
    for (const task of better) room += task.width;
    if (room < best.width) return false;
    better.sort((a, b) => b.attained - a.attained || b.seq - a.seq);
    for (const task of better) {
      if (best.width <= view.free) break;
      if (!act.pause(task)) return false;
      this.#enter(task);
    }
    return best.width <= view.free;
  }
}
