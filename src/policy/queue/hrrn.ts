import type { JobActions, JobEvent, JobView, Micros, PolicyContext, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TaskRing } from './task-ring.ts';
import { tasksById } from './tasks-by-id.ts';

/** Highest response ratio next: the largest (waited + estimate) / estimate; a started job is never interrupted (Brinch Hansen 1971). */
export class HighestResponseRatio implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = { estimate: true };
  readonly #ready = new TaskRing();

  constructor(name: string) {
    this.name = name;
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'expire' || event.kind === 'fail') this.#ready.push(task);
    else if (event.kind === 'leave') this.#ready.remove(task);
  }

  decide(view: JobView, act: JobActions, context: PolicyContext): void {
    // Ratios change with time, so the order cannot be kept: every decision looks at all that wait.
    while (view.free > 0 && this.#ready.size > 0) {
      const task = this.#ready.at(this.#best(context.now));
      if (task === undefined || task.width > view.free) return;
      this.#ready.remove(task);
      act.run(task, 0, -1);
    }
  }

  explain(task: Task, view: JobView, context: PolicyContext): readonly string[] {
    if (task.state === 'running') return [`runs on worker ${task.worker} since ${task.startedAt} us`];
    const best = this.#ready.at(this.#best(context.now));
    const lines = [`its response ratio is ${ratio(task, context.now).toFixed(3)}`, `${view.free} workers are free`];
    if (best !== undefined && best !== task) lines.push(`${best.id} has the highest, ${ratio(best, context.now).toFixed(3)}`);
    return lines;
  }

  snapshot(): PolicySnapshot {
    return { ready: this.#ready.ids() };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    for (const task of tasksById(snapshot['ready'], view)) this.#ready.push(task);
  }

  #best(now: Micros): number {
    let best = 0;
    let highest = Number.NEGATIVE_INFINITY;
    let earliest = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#ready.size; index += 1) {
      const task = this.#ready.at(index);
      if (task === undefined) continue;
      const value = ratio(task, now);
      if (value > highest || (value === highest && task.seq < earliest)) {
        highest = value;
        earliest = task.seq;
        best = index;
      }
    }
    return best;
  }
}

function ratio(task: Task, now: Micros): number {
  return (now - task.submitted) / Math.max(1, task.estimate) + 1;
}
