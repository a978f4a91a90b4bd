import type { Micros } from '#policy/queue/queue-policy';
import type { SharingPolicy } from '#policy/queue/sharing';
import type { JobSource } from './job-source.ts';
import { JobRecord, UNIT } from './job-source.ts';
import { JobStatistics } from './job-statistics.ts';
import { RunningHeap } from './running-heap.ts';
import { SimTask } from './sim-task.ts';
import type { SimulationObserver } from './simulation-options.ts';
import { WindowMeter } from './window-meter.ts';

export interface SharingOptions {
  readonly policy: SharingPolicy;
  readonly source: JobSource;
  readonly jobs: number;
  readonly warmup?: number;
  readonly window?: 'steady' | 'all';
  readonly tau?: Micros;
  readonly observer?: SimulationObserver;
}

/**
 * Tasks that are served together. `served` is the service per unit of weight since the group began; a task's `endAt` in the heap is the
 * value of `served` at which it is done. `level` is what its members had attained when the group began.
 */
interface Group {
  readonly tasks: RunningHeap;
  readonly level: number;
  served: number;
  weight: number;
}

/**
 * One worker that is shared: all served tasks progress at once, exactly, by virtual time. Moments are kept as real numbers inside, and a
 * departure is rounded to a whole microsecond when it is recorded, so that rounding never adds up.
 */
export class SharingSimulation {
  readonly statistics: JobStatistics;
  readonly meter: WindowMeter;
  readonly #options: SharingOptions;
  readonly #record = new JobRecord();
  readonly #spare: SimTask[] = [];
  /** The served group is the last; below it those it displaced, each with more attained service. */
  readonly #groups: Group[] = [];
  #now = 0;
  #inSystem = 0;
  #submitted = 0;
  #events = 0;
  #lastDeparture: Micros = 0;

  constructor(options: SharingOptions) {
    this.#options = options;
    const warmup = options.warmup ?? 0;
    this.statistics = new JobStatistics(options.jobs - warmup, options.tau ?? 10 * UNIT);
    this.meter = new WindowMeter(warmup === 0);
  }

  get events(): number {
    return this.#events;
  }

  get lastDeparture(): Micros {
    return this.#lastDeparture;
  }

  simulate(): this {
    const source = this.#options.source;
    for (;;) {
      const group = this.#groups.at(-1);
      const doneAt = group === undefined ? Number.POSITIVE_INFINITY : this.#now + (group.tasks.nextAt - group.served) * group.weight;
      const levelAt = this.#levelReachedAt(group);
      const at = Math.min(source.nextAt, doneAt, levelAt);
      if (at === Number.POSITIVE_INFINITY) break;
      this.#advance(at, group);
      if (group !== undefined && doneAt === at) this.#finish(group);
      else if (levelAt === at) this.#merge();
      else this.#arrive();
    }
    if (this.meter.isOpen) this.meter.closedAt = this.#lastDeparture;
    return this;
  }

  #levelReachedAt(group: Group | undefined): number {
    const below = this.#groups.at(-2);
    if (group === undefined || below === undefined) return Number.POSITIVE_INFINITY;
    return this.#now + (below.level + below.served - group.level - group.served) * group.weight;
  }

  #advance(at: number, group: Group | undefined): void {
    const elapsed = Math.max(0, at - this.#now);
    if (group !== undefined) group.served += elapsed / group.weight;
    if (this.meter.isOpen) this.meter.pass(elapsed, 0, this.#inSystem, this.#inSystem > 0 ? 1 : 0);
    this.#now = Math.max(this.#now, at);
  }

  #arrive(): void {
    const record = this.#record;
    record.label = '';
    this.#options.source.take(record);
    const isMeasured = this.#submitted >= (this.#options.warmup ?? 0);
    if (isMeasured && !this.meter.isOpen) this.meter.open(this.#now);
    if (isMeasured) this.meter.arrived += 1;
    if (this.#inSystem === 0 && this.meter.isOpen) this.meter.busyPeriods += 1;
    const task = this.#spare.pop() ?? new SimTask();
    task.seq = this.#submitted;
    task.label = record.label;
    task.tenant = record.tenant;
    task.kind = record.kind;
    task.weight = this.#options.policy.isWeighted ? record.weight : 1;
    task.submitted = record.at;
    task.firstStart = record.at;
    task.size = record.size;
    task.slices = 1;
    task.isMeasured = isMeasured;
    this.#submitted += 1;
    this.#inSystem += 1;
    this.#events += 1;
    this.#join(task);
    if (this.#options.window !== 'all' && this.#submitted === this.#options.jobs) this.meter.close(this.#now);
  }

  #join(task: SimTask): void {
    let group = this.#groups.at(-1);
    if (group === undefined || (this.#options.policy.newcomer === 'goes-first' && group.level + group.served > 0)) {
      group = { tasks: new RunningHeap(), level: 0, served: 0, weight: 0 };
      this.#groups.push(group);
    }
    task.endAt = group.served + task.size / task.weight;
    group.weight += task.weight;
    group.tasks.push(task);
  }

  #finish(group: Group): void {
    const task = group.tasks.pop();
    if (task === undefined) return;
    group.served = Math.max(group.served, task.endAt);
    this.#events += 1;
    this.#inSystem -= 1;
    group.weight -= task.weight;
    if (group.tasks.tasks.length === 0) this.#groups.pop();
    this.#lastDeparture = Math.round(this.#now);
    if (task.isMeasured) this.statistics.record(task, this.#lastDeparture);
    this.#options.observer?.finished?.(task, this.#lastDeparture);
    this.#options.source.onLeave?.(this.#lastDeparture);
    this.#spare.push(task);
  }

  /** The served group has caught up with the one below: they go on together. The smaller moves into the larger. */
  #merge(): void {
    const top = this.#groups.pop();
    const below = this.#groups.pop();
    if (top === undefined || below === undefined) return;
    const [large, small] = top.tasks.tasks.length > below.tasks.tasks.length ? [top, below] : [below, top];
    for (const task of small.tasks.tasks) {
      task.endAt += large.served - small.served;
      large.tasks.push(task);
    }
    large.weight += small.weight;
    this.#groups.push(large);
  }
}
