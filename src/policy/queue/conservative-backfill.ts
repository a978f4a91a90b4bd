import { Availability } from './availability.ts';
import type { JobActions, JobEvent, JobView, Micros, PolicyContext, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { tasksById } from './tasks-by-id.ts';

/** The least service that is expected of a task whose estimate is used up, or of which nothing is known. */
const SHORTEST_REST: Micros = 1_000_000;

/**
 * Conservative backfilling: every task gets a planned start on arrival, the earliest that delays nobody who came before, and is never
 * planned later (Mu'alem and Feitelson 2001). When a task ends before its estimate, the plan is compressed in order of submission.
 *
 * C1: `#plan` is what is left beside all running and all waiting tasks. C2: a planned start only ever moves earlier, unless a task
 * overruns its estimate or a worker is lost: then everything is planned anew. C3: what is expected of a task that overran doubles each
 * time, so that one running task causes at most 1 + log2(its service / `SHORTEST_REST`) plans anew.
 */
export class ConservativeBackfill implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = { estimate: true };
  /** In order of submission. */
  #waiting: Task[] = [];
  readonly #startOf = new Map<Task, Micros>();
  /** Until when the plan holds workers for a running task. */
  readonly #heldUntil = new Map<Task, Micros>();
  #plan: Availability | undefined;
  /** More workers are free than were when the plan was made, up to this moment. */
  #holeUntil: Micros = 0;
  readonly #refused = new Refused();
  #leftUntil: Micros = 0;
  #isStale = false;
  readonly #arrived: Task[] = [];

  constructor(name: string) {
    this.name = name;
  }

  on(event: JobEvent, context: PolicyContext): void {
    const task = event.task;
    if (task === undefined) {
      this.#isStale = true;
      return;
    }
    if (event.kind === 'arrive') this.#arrived.push(task);
    else if (event.kind === 'finish') this.#release(task, context.now);
    else if (event.kind === 'leave') this.#forget(task);
    else {
      this.#release(task, context.now);
      this.#arrived.push(task);
      this.#isStale = true;
    }
  }

  decide(view: JobView, act: JobActions, context: PolicyContext): void {
    const now = context.now;
    const plan = this.#plan ?? new Availability(now, view.workers);
    if (this.#plan === undefined) this.#isStale = true;
    this.#plan = plan;
    plan.advance(now);
    for (const task of view.running) {
      // One that overran holds its workers a while longer; what was planned behind it has to be planned again.
      if ((this.#heldUntil.get(task) ?? 0) <= now) this.#isStale = true;
    }
    if (this.#isStale) this.#replan(view, now);
    else if (this.#holeUntil > now) this.#compress(now);
    this.#holeUntil = 0;
    this.#isStale = false;
    for (const task of this.#arrived) this.#planStart(task, now);
    for (const task of this.#arrived) act.reserve(task, this.#startOf.get(task) ?? now);
    this.#waiting.push(...this.#arrived);
    this.#arrived.length = 0;
    this.#startDue(view, act, now);
    this.#wakeForNext(context);
  }

  explain(task: Task, view: JobView): readonly string[] {
    if (task.state === 'running') return [`runs on ${task.width} workers, expected to end at ${this.#heldUntil.get(task) ?? task.startedAt} us`];
    const start = this.#startOf.get(task);
    return [
      `is planned to start at ${start ?? 'the next decision'} us on ${task.width} of ${view.workers} workers`,
      `${this.#waiting.indexOf(task)} tasks came before it`,
    ];
  }

  snapshot(): PolicySnapshot {
    return {
      waiting: [...this.#waiting, ...this.#arrived].map((task) => task.id),
      starts: this.#waiting.map((task) => [task.id, this.#startOf.get(task) ?? 0]),
      holeUntil: this.#holeUntil,
      leftUntil: this.#leftUntil,
      isStale: this.#isStale,
      held: [...this.#heldUntil].map(([task, until]) => [task.id, until]),
    };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    const byId = new Map([...view.tasks()].map((task) => [task.id, task]));
    const plan = new Availability(0, view.workers);
    const planned = new Set<Task>();
    for (const [id, until] of snapshot['held'] as readonly (readonly [string, Micros])[]) {
      const task = byId.get(id);
      if (task === undefined) continue;
      this.#heldUntil.set(task, until);
      plan.add(0, until, -task.width);
    }
    for (const [id, start] of snapshot['starts'] as readonly (readonly [string, Micros])[]) {
      const task = byId.get(id);
      if (task === undefined) continue;
      this.#startOf.set(task, start);
      planned.add(task);
      plan.add(start, start + durationOf(task), -task.width);
    }
    for (const task of tasksById(snapshot['waiting'], view)) (planned.has(task) ? this.#waiting : this.#arrived).push(task);
    this.#plan = plan;
    this.#holeUntil = snapshot['holeUntil'] as Micros;
    this.#leftUntil = snapshot['leftUntil'] as Micros;
    this.#isStale = snapshot['isStale'] as boolean;
  }

  #planStart(task: Task, now: Micros): void {
    const duration = durationOf(task);
    const start = (this.#plan as Availability).earliest(task.width, duration, now);
    this.#startOf.set(task, start);
    this.#plan?.add(start, start + duration, -task.width);
  }

  /** Gives back what a task still held: a hole that others may move into. */
  #release(task: Task, now: Micros): void {
    const until = this.#heldUntil.get(task);
    this.#heldUntil.delete(task);
    if (until === undefined || until <= now) return;
    this.#plan?.add(now, until, task.width);
    this.#holeUntil = Math.max(this.#holeUntil, until);
  }

  #forget(task: Task): void {
    const start = this.#startOf.get(task);
    this.#waiting = this.#waiting.filter((other) => other !== task);
    this.#startOf.delete(task);
    if (start === undefined) return;
    this.#plan?.add(start, start + durationOf(task), task.width);
    this.#holeUntil = Math.max(this.#holeUntil, start + durationOf(task));
  }

  #compress(now: Micros): void {
    const plan = this.#plan as Availability;
    const refused = this.#refused;
    refused.clear();
    // More became free only before `holeUntil`, so a task can only move to begin before it. Each move opens another hole.
    let horizon = Math.max(this.#holeUntil, this.#leftUntil);
    this.#leftUntil = 0;
    for (const task of this.#waiting) {
      const start = this.#startOf.get(task) ?? now;
      if (start <= now) continue;
      const duration = durationOf(task);
      const from = refused.earliestFor(task.width, duration, start, now);
      const earlier = plan.earlier(task.width, duration, start, from, horizon);
      if (earlier === undefined) {
        refused.add(task.width, duration, start, Math.min(start, horizon));
        continue;
      }
      plan.add(start, start + duration, task.width);
      plan.add(earlier, earlier + duration, -task.width);
      this.#startOf.set(task, earlier);
      refused.clear();
      horizon = Math.max(horizon, start + duration);
      // Tasks before this one in line may use its hole only in the next pass: one pass per completion.
      this.#leftUntil = Math.max(this.#leftUntil, start + duration);
    }
  }

  #replan(view: JobView, now: Micros): void {
    const plan = new Availability(now, view.workers);
    this.#plan = plan;
    this.#heldUntil.clear();
    let down = view.workers - view.free;
    for (const task of view.running) {
      const expected = task.startedAt + durationOf(task);
      const until = expected > now ? expected : now + restAfter(task.estimate, view.attained(task)); // C3
      this.#heldUntil.set(task, until);
      plan.add(now, until, -task.width);
      down -= task.width;
    }
    if (down > 0) plan.add(now, Number.MAX_SAFE_INTEGER, -down);
    for (const task of this.#waiting) this.#planStart(task, now);
  }

  #startDue(view: JobView, act: JobActions, now: Micros): void {
    let left = 0;
    for (const task of this.#waiting) {
      const isDue = (this.#startOf.get(task) ?? now) <= now && task.width <= view.free;
      if (!isDue || !act.run(task, 0, -1)) {
        this.#waiting[left] = task;
        left += 1;
        continue;
      }
      this.#startOf.delete(task);
      this.#heldUntil.set(task, now + durationOf(task));
    }
    this.#waiting.length = left;
  }

  /** Planned starts that no completion announces: the end of a task that is expected at that very moment may come later. */
  #wakeForNext(context: PolicyContext): void {
    let next = Number.MAX_SAFE_INTEGER;
    for (const task of this.#waiting) next = Math.min(next, this.#startOf.get(task) ?? next);
    if (next > context.now && next < Number.MAX_SAFE_INTEGER) context.wakeAt(next);
  }
}

/** Remembered refusals of one pass; more are forgotten. */
const MOST_REFUSED = 24;

/**
 * Tasks that could not begin earlier while the plan stayed as it is. Wherever one that is at least as wide and as long could begin, the
 * smaller one could have, so its search starts where the smaller one's ended.
 */
class Refused {
  readonly #widths = new Float64Array(MOST_REFUSED);
  readonly #durations = new Float64Array(MOST_REFUSED);
  readonly #planned = new Float64Array(MOST_REFUSED);
  /** It could not begin at any moment before this one. */
  readonly #limits = new Float64Array(MOST_REFUSED);
  #size = 0;

  clear(): void {
    this.#size = 0;
  }

  add(width: number, duration: Micros, planned: Micros, limit: Micros): void {
    let left = 0;
    for (let index = 0; index < this.#size; index += 1) {
      const isCovered = (this.#widths[index] as number) >= width && (this.#durations[index] as number) >= duration && (this.#limits[index] as number) <= limit;
      if (isCovered) continue;
      this.#widths[left] = this.#widths[index] as number;
      this.#durations[left] = this.#durations[index] as number;
      this.#planned[left] = this.#planned[index] as number;
      this.#limits[left] = this.#limits[index] as number;
      left += 1;
    }
    if (left === MOST_REFUSED) left -= 1;
    this.#widths[left] = width;
    this.#durations[left] = duration;
    this.#planned[left] = planned;
    this.#limits[left] = limit;
    this.#size = left + 1;
  }

  /** The first moment from `now` on at which a task may begin for all that is remembered. */
  earliestFor(width: number, duration: Micros, planned: Micros, now: Micros): Micros {
    let earliest = now;
    for (let index = 0; index < this.#size; index += 1) {
      if ((this.#widths[index] as number) > width || (this.#durations[index] as number) > duration) continue;
      const limit = this.#limits[index] as number;
      // Near its own planned start a task needs the plan's room for less long than the refused one did.
      const bound = (this.#planned[index] as number) <= planned ? limit : Math.min(limit, planned - (this.#durations[index] as number));
      if (bound > earliest) earliest = bound;
    }
    return earliest;
  }
}

function durationOf(task: Task): Micros {
  return restAfter(task.estimate, task.attained);
}

/** What is left by the estimate; once that is used up, as much again as was served, because whatever ran long tends to run longer. */
function restAfter(estimate: Micros, served: Micros): Micros {
  return estimate > served ? estimate - served : Math.max(SHORTEST_REST, served);
}
