import type { JobActions, JobEvent, JobView, Micros, PolicyContext, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { restAfter } from './rest.ts';
import { tasksById } from './tasks-by-id.ts';

/**
 * EASY backfilling: first come, first served, but a later task may jump ahead if by the estimates it does not delay the first one
 * (Lifka 1995). `shortest-first` tries the smallest estimates first (Tsafrir, Etsion, Feitelson 2007).
 */
export class EasyBackfill implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = { estimate: true };
  readonly #isShortestFirst: boolean;
  readonly #waiting: Task[] = [];
  /** The same tasks by estimate, then by submission; kept only for shortest first. */
  readonly #byEstimate: Task[] = [];
  /** Of the present head: when it can start by the estimates, and the workers it leaves over then. */
  #shadowAt: Micros = 0;
  #spare = 0;

  constructor(name: string, options: { readonly order: 'submission' | 'shortest-first' }) {
    this.name = name;
    this.#isShortestFirst = options.order === 'shortest-first';
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'expire' || event.kind === 'fail') this.#enter(task);
    else if (event.kind === 'leave') this.#drop(task);
  }

  decide(view: JobView, act: JobActions, context: PolicyContext): void {
    for (let head = this.#waiting[0]; head !== undefined && head.width <= view.free; head = this.#waiting[0]) {
      this.#drop(head);
      act.run(head, 0, -1);
    }
    const head = this.#waiting[0];
    if (head === undefined || view.free === 0 || this.#waiting.length === 1) return;
    this.#planHead(head, view, context.now);
    const candidates = this.#isShortestFirst ? this.#byEstimate : this.#waiting;
    for (let index = 0; index < candidates.length && view.free > 0; ) {
      const task = candidates[index] as Task;
      const endsInTime = context.now + restAfter(task.estimate, task.attained) <= this.#shadowAt;
      if (task === head || task.width > view.free || (!endsInTime && task.width > this.#spare)) {
        index += 1;
        continue;
      }
      if (!endsInTime) this.#spare -= task.width;
      this.#drop(task);
      act.run(task, 0, -1);
    }
    act.reserve(head, this.#shadowAt);
  }

  explain(task: Task, view: JobView, context: PolicyContext): readonly string[] {
    if (task.state === 'running') return [`runs on ${task.width} workers since ${task.startedAt} us`];
    const head = this.#waiting[0];
    const place = this.#waiting.indexOf(task);
    const lines = [`${place} tasks came before it; it needs ${task.width} workers, ${view.free} are free`];
    if (head === undefined) return lines;
    this.#planHead(head, view, context.now);
    lines.push(`${head.id} holds a reservation for ${this.#shadowAt} us that leaves ${this.#spare} workers`);
    if (task !== head) lines.push(`it may go earlier if its ${restAfter(task.estimate, task.attained)} us end by then or it needs no more than those`);
    return lines;
  }

  snapshot(): PolicySnapshot {
    return { waiting: this.#waiting.map((task) => task.id) };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    for (const task of tasksById(snapshot['waiting'], view)) this.#enter(task);
  }

  /** The earliest moment at which enough running tasks have ended by their estimates. */
  #planHead(head: Task, view: JobView, now: Micros): void {
    const running = view.running.map((task) => ({ width: task.width, endsAt: expectedEnd(task, view, now) })).sort((a, b) => a.endsAt - b.endsAt);
    let free = view.free;
    this.#shadowAt = Number.MAX_SAFE_INTEGER;
    for (const { width, endsAt } of running) {
      // Others that end at the same moment leave more over.
      if (endsAt > this.#shadowAt) break;
      free += width;
      if (free >= head.width) this.#shadowAt = endsAt;
    }
    this.#spare = free - head.width;
  }

  #enter(task: Task): void {
    this.#waiting.push(task);
    if (this.#isShortestFirst) this.#byEstimate.splice(this.#placeOf(task), 0, task);
  }

  #drop(task: Task): void {
    const index = this.#waiting[0] === task ? 0 : this.#waiting.indexOf(task);
    if (index !== -1) this.#waiting.splice(index, 1);
    if (!this.#isShortestFirst) return;
    const place = this.#placeOf(task);
    if (this.#byEstimate[place] === task) this.#byEstimate.splice(place, 1);
  }

  #placeOf(task: Task): number {
    const list = this.#byEstimate;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = list[middle] as Task;
      if (other.estimate < task.estimate || (other.estimate === task.estimate && other.seq < task.seq)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** When a running task will have ended, by its estimate; one that overran it is expected to need as much again. */
function expectedEnd(task: Task, view: JobView, now: Micros): Micros {
  const expected = task.startedAt + restAfter(task.estimate, task.attained);
  return expected > now ? expected : now + restAfter(task.estimate, view.attained(task));
}
