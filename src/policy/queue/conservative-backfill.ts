import { Availability } from './availability.ts';
import type { JobActions, JobEvent, JobView, Micros, PolicyContext, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { restAfter } from './rest.ts';
import { tasksById } from './tasks-by-id.ts';

/** A waiting task and what the plan holds for it. The duration is kept, because what was taken from the plan must be given back. */
interface Planned {
  readonly task: Task;
  readonly width: number;
  readonly duration: Micros;
  start: Micros;
}

/**
 * Conservative backfilling: every task gets a planned start on arrival, the earliest that delays nobody who came before, and is never
 * planned later (Mu'alem and Feitelson 2001). When a task ends before its estimate, the plan is compressed in order of submission.
 *
 * C1: `#plan` is what is left beside all running and all waiting tasks. C2: a planned start only ever moves earlier, unless a task
 * overruns its estimate or a worker is lost: then everything is planned anew. C3: what is expected of a task that overran doubles each
 * time, so that one running task causes at most 1 + log2(its service / 1 s) plans anew.
 */
export class ConservativeBackfill implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = { estimate: true };
  /** In order of submission. */
  readonly #waiting: Planned[] = [];
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
    for (const task of this.#arrived) {
      const planned: Planned = { task, width: task.width, duration: durationOf(task), start: now };
      this.#planStart(planned, now);
      this.#waiting.push(planned);
      act.reserve(task, planned.start);
    }
    this.#arrived.length = 0;
    this.#startDue(view, act, now);
    this.#wakeForNext(context);
  }

  explain(task: Task, view: JobView): readonly string[] {
    if (task.state === 'running') return [`runs on ${task.width} workers, expected to end at ${this.#heldUntil.get(task) ?? task.startedAt} us`];
    const place = this.#waiting.findIndex((planned) => planned.task === task);
    const before = place === -1 ? this.#waiting.length + Math.max(0, this.#arrived.indexOf(task)) : place;
    return [
      `is planned to start at ${this.#waiting[place]?.start ?? 'the next decision'} us on ${task.width} of ${view.workers} workers`,
      `${before} tasks came before it`,
    ];
  }

  snapshot(): PolicySnapshot {
    return {
      waiting: [...this.#waiting.map(({ task }) => task), ...this.#arrived].map((task) => task.id),
      starts: this.#waiting.map(({ task, start }) => [task.id, start]),
      holeUntil: this.#holeUntil,
      leftUntil: this.#leftUntil,
      isStale: this.#isStale,
      held: [...this.#heldUntil].map(([task, until]) => [task.id, until]),
    };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    const byId = new Map([...view.tasks()].map((task) => [task.id, task]));
    const plan = new Availability(0, view.workers);
    const starts = new Map(snapshot['starts'] as readonly (readonly [string, Micros])[]);
    for (const [id, until] of snapshot['held'] as readonly (readonly [string, Micros])[]) {
      const task = byId.get(id);
      if (task === undefined) continue;
      this.#heldUntil.set(task, until);
      plan.add(0, until, -task.width);
    }
    for (const task of tasksById(snapshot['waiting'], view)) {
      const start = starts.get(task.id);
      if (start === undefined) {
        this.#arrived.push(task);
        continue;
      }
      const planned: Planned = { task, width: task.width, duration: durationOf(task), start };
      plan.add(start, start + planned.duration, -planned.width);
      this.#waiting.push(planned);
    }
    this.#plan = plan;
    this.#holeUntil = snapshot['holeUntil'] as Micros;
    this.#leftUntil = snapshot['leftUntil'] as Micros;
    this.#isStale = snapshot['isStale'] as boolean;
  }

  #planStart(planned: Planned, now: Micros): void {
    const { width, duration } = planned;
    planned.start = (this.#plan as Availability).earliest(width, duration, now);
    this.#plan?.add(planned.start, planned.start + duration, -width);
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
    const place = this.#waiting.findIndex((planned) => planned.task === task);
    if (place === -1) {
      const arrival = this.#arrived.indexOf(task);
      if (arrival !== -1) this.#arrived.splice(arrival, 1);
      return;
    }
    const [{ start, duration, width }] = this.#waiting.splice(place, 1) as [Planned];
    this.#plan?.add(start, start + duration, width);
    this.#holeUntil = Math.max(this.#holeUntil, start + duration);
  }

  #compress(now: Micros): void {
    const plan = this.#plan as Availability;
    const refused = this.#refused;
    refused.clear();
    // More became free only before `holeUntil`, so a task can only move to begin before it. Each move opens another hole.
    let horizon = Math.max(this.#holeUntil, this.#leftUntil);
    this.#leftUntil = 0;
    for (const planned of this.#waiting) {
      const { width, duration, start } = planned;
      if (start <= now) continue;
      const limit = Math.min(start, horizon);
      const from = refused.earliestFor(planned, now);
      if (from >= limit) continue;
      const earlier = plan.earlier(planned, from, limit);
      if (earlier === undefined) {
        refused.add(planned, limit);
        continue;
      }
      plan.add(start, start + duration, width);
      plan.add(earlier, earlier + duration, -width);
      planned.start = earlier;
      refused.widen(Math.max(start, earlier + duration));
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
    for (const planned of this.#waiting) this.#planStart(planned, now);
  }

  #startDue(view: JobView, act: JobActions, now: Micros): void {
    let left = 0;
    for (const planned of this.#waiting) {
      const isDue = planned.start <= now && planned.width <= view.free;
      if (!isDue || !act.run(planned.task, 0, -1)) {
        this.#waiting[left] = planned;
        left += 1;
        continue;
      }
      this.#heldUntil.set(planned.task, now + planned.duration);
    }
    this.#waiting.length = left;
  }

  /** Planned starts that no completion announces: the end of a task that is expected at that very moment may come later. */
  #wakeForNext(context: PolicyContext): void {
    let next = Number.MAX_SAFE_INTEGER;
    for (const planned of this.#waiting) if (planned.start < next) next = planned.start;
    if (next > context.now && next < Number.MAX_SAFE_INTEGER) context.wakeAt(next);
  }
}

/** Remembered refusals of one pass; more are forgotten. */
const MOST_REFUSED = 16;

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

  add({ width, duration, start }: Planned, limit: Micros): void {
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
    this.#planned[left] = start;
    this.#limits[left] = limit;
    this.#size = left + 1;
  }

  /** More workers became free from `hole` on: what ends before it is refused as it was. */
  widen(hole: Micros): void {
    for (let index = 0; index < this.#size; index += 1) {
      this.#limits[index] = Math.min(this.#limits[index] as number, hole - (this.#durations[index] as number));
    }
  }

  /** The first moment from `now` on at which a task may begin for all that is remembered. */
  earliestFor({ width, duration, start }: Planned, now: Micros): Micros {
    let earliest = now;
    for (let index = 0; index < this.#size; index += 1) {
      if ((this.#widths[index] as number) > width || (this.#durations[index] as number) > duration) continue;
      const limit = this.#limits[index] as number;
      // Near its own planned start a task needs the plan's room for less long than the refused one did.
      const bound = (this.#planned[index] as number) <= start ? limit : Math.min(limit, start - (this.#durations[index] as number));
      if (bound > earliest) earliest = bound;
    }
    return earliest;
  }
}

function durationOf(task: Task): Micros {
  return restAfter(task.estimate, task.attained);
}
