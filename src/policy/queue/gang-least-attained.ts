import type { JobActions, JobEvent, JobView, Micros, PolicyContext, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { tasksById } from './tasks-by-id.ts';

/**
 * Gangs by least attained service in two dimensions: time × workers held (Gu et al., Tiresias, NSDI 2019). Services are sorted into levels
 * by thresholds, first come first served inside a level, so that near equals do not interrupt each other for ever. A gang runs on all
 * its workers or not at all; smaller ones behind it may fill what it leaves.
 */
export class GangLeastAttained implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = { preempt: true, quantum: true };
  /** Services, in worker-microseconds, at which a gang sinks one level. */
  readonly #thresholds: readonly Micros[];
  readonly #waiting = new Set<Task>();

  constructor(name: string, options: { readonly thresholds: readonly Micros[] }) {
    this.name = name;
    this.#thresholds = [...options.thresholds].sort((a, b) => a - b);
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'expire' || event.kind === 'fail') this.#waiting.add(task);
    else this.#waiting.delete(task);
  }

  decide(view: JobView, act: JobActions, _context: PolicyContext): void {
    const running = new Set<Task>(view.running);
    const inOrder = [...this.#waiting, ...running].sort((a, b) => this.#levelOf(a, view) - this.#levelOf(b, view) || a.seq - b.seq);
    let room = view.free;
    for (const task of running) room += task.width;
    const chosen = new Set<Task>();
    // What cannot be interrupted keeps its workers whatever its level.
    for (const task of running) {
      if (task.preemptible) continue;
      chosen.add(task);
      room -= task.width;
    }
    for (const task of inOrder) {
      if (chosen.has(task) || task.width > room) continue;
      chosen.add(task);
      room -= task.width;
    }
    for (const task of running) if (!chosen.has(task) && act.pause(task)) this.#waiting.add(task);
    for (const task of inOrder) {
      if (!chosen.has(task) || task.state !== 'ready') continue;
      if (act.run(task, this.#toNextLevel(task), -1)) this.#waiting.delete(task);
    }
  }

  explain(task: Task, view: JobView): readonly string[] {
    const service = view.attained(task) * task.width;
    const level = this.#levelOf(task, view);
    const place = `level ${level} after ${service} us × workers`;
    if (task.state === 'running') return [`runs on ${task.width} workers in ${place}`];
    const before = [...this.#waiting].filter(
      (other) => this.#levelOf(other, view) < level || (this.#levelOf(other, view) === level && other.seq < task.seq),
    ).length;
    return [`waits for ${task.width} workers in ${place}; ${view.free} are free`, `${before} waiting gangs come before it`];
  }

  snapshot(): PolicySnapshot {
    return { waiting: [...this.#waiting].map((task) => task.id) };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    for (const task of tasksById(snapshot['waiting'], view)) this.#waiting.add(task);
  }

  #levelOf(task: Task, view: JobView): number {
    const service = view.attained(task) * task.width;
    const level = this.#thresholds.findIndex((threshold) => service < threshold);
    return level === -1 ? this.#thresholds.length : level;
  }

  /** Useful service until it sinks; 0, to its end, in the last level. */
  #toNextLevel(task: Task): Micros {
    const service = task.attained * task.width;
    const threshold = this.#thresholds.find((one) => service < one);
    return threshold === undefined ? 0 : Math.max(1, Math.ceil((threshold - service) / task.width));
  }
}
