import type { JobActions, JobEvent, JobView, Micros, PolicyContext, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TaskRing } from './task-ring.ts';
import { tasksById } from './tasks-by-id.ts';

export interface MultilevelFeedbackOptions {
  /** Service a task may use in each level before it sinks; the level after the last has no limit, unless `growth` continues the row. */
  readonly allotments: readonly Micros[];
  /** Each level after the listed ones allows this many times the one before; Infinity: one last level without limit. */
  readonly growth: number;
  /** `contended`: a task sinks only if another is ready when its allotment ends (Stallings' feedback). */
  readonly demote: 'always' | 'contended';
  /** Whether an arrival interrupts a task of a lower level. */
  readonly preempt: 'yes' | 'no';
  /** All tasks return to the top this often; Infinity: never. */
  readonly boost: Micros;
}

/** Multi-level feedback: the top level first, first come first served inside a level, down one level for each allotment used (Corbató 1962). */
export class MultilevelFeedback implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = { quantum: true, preempt: true };
  readonly #options: MultilevelFeedbackOptions;
  readonly #levels: TaskRing[] = [];
  /** Tasks whose allotment ended at this instant: whether they sink depends on who else is ready. */
  readonly #expired = new TaskRing();
  #ready = 0;
  #boostAt: Micros;

  constructor(name: string, options: MultilevelFeedbackOptions) {
    this.name = name;
    this.#options = options;
    this.#boostAt = options.boost;
  }

  // While a task is in a level, `note` is the level and `noteAt` the attained service at which its allotment there ends.
  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'fail') this.#enter(task, event.kind === 'arrive' ? 0 : task.note);
    else if (event.kind === 'expire') this.#expired.push(task);
    else if (event.kind === 'leave' && this.#level(task.note).remove(task)) this.#ready -= 1;
  }

  decide(view: JobView, act: JobActions, context: PolicyContext): void {
    this.#boost(view, context);
    this.#sinkExpired();
    for (let level = this.#topLevel(); level !== -1; level = this.#topLevel()) {
      const task = this.#level(level).peek();
      if (task === undefined) return;
      if (task.width > view.free && !this.#makeRoom(level, view, act)) return;
      this.#level(level).remove(task);
      this.#ready -= 1;
      act.run(task, Number.isFinite(task.noteAt) ? task.noteAt - task.attained : 0, -1);
    }
  }

  explain(task: Task): readonly string[] {
    const place = `level ${task.note} after ${task.attained} us of service`;
    if (task.state === 'running') return [`runs in ${place}`];
    let above = 0;
    for (let level = 0; level < task.note; level += 1) above += this.#level(level).size;
    return [`waits in ${place}`, `${above} tasks wait in higher levels, ${this.#level(task.note).indexOf(task)} before it in its own`];
  }

  snapshot(): PolicySnapshot {
    const inLevels = this.#levels.map((ring) => ring.ids());
    return { levels: inLevels, expired: this.#expired.ids(), boostAt: this.#boostAt };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    for (const [level, ids] of (snapshot['levels'] as readonly unknown[]).entries()) {
      for (const task of tasksById(ids, view)) {
        this.#level(level).push(task);
        this.#ready += 1;
      }
    }
    for (const task of tasksById(snapshot['expired'], view)) this.#expired.push(task);
    this.#boostAt = (snapshot['boostAt'] as number | null) ?? Number.POSITIVE_INFINITY;
  }

  #enter(task: Task, level: number): void {
    task.note = level;
    task.noteAt = task.attained + this.#allotment(level);
    this.#level(level).push(task);
    this.#ready += 1;
  }

  #sinkExpired(): void {
    const expired = this.#expired;
    // Among tasks that expire together, each sees the others as contention.
    const contended = this.#ready > 0 || expired.size > 1;
    for (let task = expired.pop(); task !== undefined; task = expired.pop()) {
      this.#enter(task, this.#options.demote === 'always' || contended ? task.note + 1 : task.note);
    }
  }

  /** Interrupts the running task of the lowest level below `level`; it resumes at the head of its own, with what is left of its allotment. */
  #makeRoom(level: number, view: JobView, act: JobActions): boolean {
    if (this.#options.preempt === 'no') return false;
    let lowest: Task | undefined;
    for (const task of view.running) {
      if (!task.preemptible || task.note <= level) continue;
      if (lowest === undefined || task.note > lowest.note || (task.note === lowest.note && task.seq > lowest.seq)) lowest = task;
    }
    if (lowest === undefined || !act.pause(lowest)) return false;
    this.#level(lowest.note).pushFront(lowest);
    this.#ready += 1;
    return true;
  }

  #boost(view: JobView, context: PolicyContext): void {
    if (context.now < this.#boostAt) return;
    this.#boostAt = context.now + this.#options.boost;
    context.wakeAt(this.#boostAt);
    const lower: Task[] = [];
    for (const ring of this.#levels.slice(1)) for (let task = ring.pop(); task !== undefined; task = ring.pop()) lower.push(task);
    this.#ready -= lower.length;
    for (const task of lower) this.#enter(task, 0);
    for (const task of view.running) task.note = 0;
  }

  #allotment(level: number): Micros {
    const listed = this.#options.allotments;
    const exact = listed[level];
    if (exact !== undefined) return exact;
    if (!Number.isFinite(this.#options.growth)) return Number.POSITIVE_INFINITY;
    let allotment = listed.at(-1) ?? 1;
    for (let step = listed.length; step <= level && allotment < Number.MAX_SAFE_INTEGER; step += 1) allotment *= this.#options.growth;
    return Math.min(Number.MAX_SAFE_INTEGER, Math.round(allotment));
  }

  #topLevel(): number {
    if (this.#ready === 0) return -1;
    return this.#levels.findIndex((ring) => ring.size > 0);
  }

  #level(level: number): TaskRing {
    while (this.#levels.length <= level) this.#levels.push(new TaskRing());
    return this.#levels[level] as TaskRing;
  }
}
