import { messageOf, PlatformError } from '#base/errors';
import { Heap } from '#base/heap';
import { Fifo } from '#policy/queue/fifo';
import type { JobActions, JobEventKind, JobView, Micros, PolicyContext, PolicySnapshot, QueuePolicy, Task } from '#policy/queue/queue-policy';
import type { JobSource } from './job-source.ts';
import { JobRecord, UNIT } from './job-source.ts';
import { JobStatistics } from './job-statistics.ts';
import type { Law } from './laws.ts';
import { RandomStream } from './random-stream.ts';
import { RunningHeap } from './running-heap.ts';
import { SimTask } from './sim-task.ts';
import type { SimulationOptions } from './simulation-options.ts';
import { WindowMeter } from './window-meter.ts';
import { WorkerPool } from './worker-pool.ts';

/** Errors of a policy after which first come, first served takes over. */
const MOST_ERRORS = 10;
/** Actions in one decision beyond this many per task in the system count as a loop, and so do looks at the tasks. */
const MOST_ACTIONS_PER_TASK = 8;
const MOST_LOOKS_PER_TASK = 1_000;
const NO_RESOURCES: readonly number[] = [];

interface Timer {
  readonly at: Micros;
  readonly order: number;
  readonly what: 'wake' | 'down' | 'up' | 'patience';
  readonly worker: number;
  readonly task: SimTask | undefined;
}

interface MutableEvent {
  kind: JobEventKind;
  task: Task | undefined;
  worker: number;
}

/**
 * The host of queue policies in virtual time: whole microseconds, one or many workers. At one instant it handles completions, workers
 * and timers, arrivals, expired slices, and then asks for one decision.
 *
 * S1: the policy sees tasks only as `Task`; true sizes stay here. S2: every action is checked before it takes effect, and a refused
 * one changes nothing. S3: a task is ready, running or gone; ready and running ones add up to the number in the system.
 */
export class JobSimulation implements JobView, JobActions, PolicyContext {
  readonly capacity: readonly number[];
  readonly statistics: JobStatistics;
  readonly meter: WindowMeter;
  /** Refused actions by reason. */
  readonly invalid = new Map<string, number>();
  /** Planned starts that the policy announced. */
  readonly reservations = new Map<string, Micros>();
  readonly #options: SimulationOptions;
  readonly #source: JobSource;
  readonly #record = new JobRecord();
  readonly #random: RandomStream;
  readonly #luck: RandomStream;
  readonly #running = new RunningHeap();
  readonly #pool: WorkerPool;
  readonly #timers = new Heap<Timer>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));
  readonly #event: MutableEvent = { kind: 'arrive', task: undefined, worker: -1 };
  readonly #expired: SimTask[] = [];
  readonly #spare: SimTask[] = [];
  readonly #used: number[];
  readonly #switchCost: Micros;
  readonly #isOnChange: boolean;
  #policy: QueuePolicy;
  #oldest: SimTask | undefined;
  #newest: SimTask | undefined;
  #now: Micros = 0;
  #ready = 0;
  #submitted = 0;
  #timerOrder = 0;
  #errors = 0;
  #lastError = '';
  #actions = 0;
  #looks = 0;
  #fallback = '';
  #lastDeparture: Micros = 0;
  #events = 0;

  constructor(options: SimulationOptions) {
    if (!Number.isInteger(options.workers) || options.workers < 1) {
      throw new PlatformError('INVALID', `Cannot simulate ${options.workers} workers, because there must be at least one`, { workers: options.workers });
    }
    this.#options = options;
    this.#source = options.source;
    this.#policy = options.policy;
    this.capacity = options.resources ?? NO_RESOURCES;
    this.#used = this.capacity.map(() => 0);
    this.#pool = new WorkerPool(options.workers, options.pooled !== true);
    this.#random = new RandomStream(options.seed, 'policy');
    this.#luck = new RandomStream(options.seed, 'workers');
    this.#switchCost = options.switchCost ?? 0;
    this.#isOnChange = options.switchMode === 'on-change';
    const warmup = options.warmup ?? 0;
    this.statistics = new JobStatistics(options.jobs - warmup, options.tau ?? 10 * UNIT);
    this.meter = new WindowMeter(warmup === 0);
    if (options.failures !== undefined) {
      for (let worker = 0; worker < options.workers; worker += 1) this.#timer(this.#draw(options.failures.up), 'down', worker);
    }
  }

  get now(): Micros {
    return this.#now;
  }

  get workers(): number {
    return this.#pool.size;
  }

  get free(): number {
    return this.#pool.free;
  }

  get readyCount(): number {
    return this.#ready;
  }

  get running(): readonly SimTask[] {
    return this.#running.tasks;
  }

  get policy(): QueuePolicy {
    return this.#policy;
  }

  /** Arrivals, completions, expiries and preemptions so far. */
  get events(): number {
    return this.#events;
  }

  /** Why first come, first served took over; empty if it did not. */
  get fallback(): string {
    return this.#fallback;
  }

  get lastDeparture(): Micros {
    return this.#lastDeparture;
  }

  random(): number {
    this.#look();
    return this.#random.next();
  }

  wakeAt(moment: Micros): void {
    if (Number.isFinite(moment) && moment > this.#now) this.#timer(Math.ceil(moment), 'wake', -1);
  }

  isFree(worker: number): boolean {
    this.#look();
    return this.#pool.isFree(worker);
  }

  attained(task: Task): Micros {
    this.#look();
    if (task.state !== 'running') return task.attained;
    return task.attained + Math.max(0, this.#now - task.startedAt - (task as SimTask).overhead);
  }

  *tasks(): Iterable<SimTask> {
    for (let task = this.#oldest; task !== undefined; task = task.after) {
      this.#look();
      yield task;
    }
  }

  /** Runs until nothing is left to happen, or to the last instant before `until`. */
  simulate(until: Micros = Number.POSITIVE_INFINITY): this {
    const source = this.#source;
    const running = this.#running;
    const timers = this.#timers;
    const population = this.#options.observer?.population;
    for (;;) {
      let at = source.nextAt;
      if (running.nextAt < at) at = running.nextAt;
      if (timers.size > 0) {
        // Workers fail and return for ever: without jobs nothing is left to happen.
        if (at === Number.POSITIVE_INFINITY && this.#ready === 0) break;
        at = Math.min(at, timers.peek()?.at ?? at);
      }
      if (at === Number.POSITIVE_INFINITY && this.#ready > 0 && this.#rescue()) continue;
      if (at === Number.POSITIVE_INFINITY || at >= until) break;
      if (this.meter.isOpen) this.meter.pass(at - this.#now, this.#ready, running.tasks.length, this.#pool.size - this.#pool.free);
      this.#now = at;
      while (running.nextAt === at) this.#endSlice();
      if (timers.size > 0) this.#fireTimers();
      while (source.nextAt === at) this.#arrive();
      if (this.#expired.length > 0) this.#announceExpired();
      if (this.#ready > 0) this.#decide();
      population?.(at, this.#ready + running.tasks.length);
    }
    if (this.meter.isOpen) this.meter.closedAt = this.#lastDeparture;
    return this;
  }

  /** Goes on with another policy, from a snapshot of it, or from the tasks alone. No task is lost. */
  switchPolicy(policy: QueuePolicy, snapshot?: PolicySnapshot): void {
    this.#policy = policy;
    if (snapshot !== undefined) {
      policy.restore(snapshot, this);
      return;
    }
    for (const task of this.tasks()) {
      task.note = 0;
      task.noteAt = 0;
      if (task.state === 'ready') this.#tell('arrive', task, -1);
    }
    if (this.#ready > 0) this.#decide();
  }

  run(task: Task, quantum: Micros, worker: number): boolean {
    const own = task as SimTask;
    const pool = this.#pool;
    this.#actions += 1;
    if (own.state !== 'ready') return this.#refuse('run of a task that is not ready');
    if (own.width > pool.free) return this.#refuse('run of a task wider than the free workers');
    if (quantum < 0 || !(quantum <= Number.MAX_SAFE_INTEGER)) return this.#refuse('run for a quantum that is not a duration');
    const chosen = worker === -1 ? pool.top() : worker;
    if (pool.isTracked && !pool.isFree(chosen)) return this.#refuse('run on a worker that is not free');
    if (this.capacity.length > 0 && !this.#fits(own)) return this.#refuse('run of a task that demands more than is left');
    const overhead = this.#overhead(own, chosen);
    pool.take(chosen, own.width);
    if (this.capacity.length > 0) this.#use(own, 1);
    own.state = 'running';
    own.worker = chosen;
    own.startedAt = this.#now;
    own.overhead = overhead;
    own.slices += 1;
    own.startOrder = this.#actions;
    if (own.firstStart < 0) own.firstStart = this.#now;
    const left = own.size - own.attained;
    own.endAt = this.#now + overhead + (quantum === 0 || left <= quantum ? left : Math.max(1, Math.round(quantum)));
    this.#ready -= 1;
    this.#running.push(own);
    return true;
  }

  pause(task: Task): boolean {
    const own = task as SimTask;
    this.#actions += 1;
    if (own.state !== 'running') return this.#refuse('pause of a task that does not run');
    if (!own.preemptible) return this.#refuse('pause of a task that cannot be interrupted');
    this.#running.remove(own);
    this.#settle(own);
    this.#becomeReady(own);
    this.#events += 1;
    if (this.meter.isOpen) this.meter.preemptions += 1;
    return true;
  }

  reserve(task: Task, at: Micros): void {
    this.reservations.set(task.id, at);
  }

  /** What the policy says about a task in the system, by id. */
  explain(id: string): readonly string[] {
    for (const task of this.tasks()) if (task.id === id) return this.#policy.explain(task, this, this);
    return [`${id} is not in the system`];
  }

  #decide(): void {
    this.#actions = 0;
    this.#looks = 0;
    const { budget } = this.#options;
    const begun = budget?.clock() ?? 0;
    try {
      this.#policy.decide(this, this, this);
    } catch (error) {
      this.#blame(`decide threw: ${messageOf(error)}`);
    }
    const took = (budget?.clock() ?? 0) - begun;
    if (budget !== undefined && took > budget.micros && this.#fallback === '') {
      this.#fallBack(`one decision of ${this.#policy.name} took ${Math.round(took)} us, more than its budget of ${budget.micros} us`);
    }
    if (this.#errors > MOST_ERRORS && this.#fallback === '') this.#fallBack(this.#lastError);
  }

  #tell(kind: JobEventKind, task: SimTask | undefined, worker: number): void {
    const event = this.#event;
    event.kind = kind;
    event.task = task;
    event.worker = worker;
    try {
      this.#policy.on(event, this);
    } catch (error) {
      this.#blame(`on(${kind}) threw: ${messageOf(error)}`);
    }
  }

  #refuse(reason: string): false {
    this.invalid.set(reason, (this.invalid.get(reason) ?? 0) + 1);
    // Thrown through the policy, because a loop in it would never return.
    if (this.#actions > 64 + MOST_ACTIONS_PER_TASK * (this.#ready + this.running.length)) {
      this.#errors = MOST_ERRORS;
      throw new PlatformError('LIMIT', `one decision of ${this.#policy.name} took ${this.#actions} actions`);
    }
    this.#blame(reason);
    return false;
  }

  /** Counts what a policy looks at. Thrown through it, because a loop in it would never return. */
  #look(): void {
    this.#looks += 1;
    if (this.#looks <= MOST_LOOKS_PER_TASK * (64 + this.#ready + this.running.length)) return;
    this.#looks = 0;
    this.#errors = MOST_ERRORS;
    throw new PlatformError('LIMIT', `one decision of ${this.#policy.name} looked at its tasks without end`);
  }

  #blame(reason: string): void {
    this.#errors += 1;
    this.#lastError = reason;
  }

  #fallBack(reason: string): void {
    this.#fallback = reason;
    this.switchPolicy(new Fifo());
  }

  /** A policy that forgets tasks while workers idle would end the run early: first come, first served finishes them. */
  #rescue(): boolean {
    if (this.#fallback !== '') return false;
    this.#fallBack(`${this.#ready} tasks were left waiting though all workers were free`);
    return true;
  }

  #endSlice(): void {
    const task = this.#running.pop();
    if (task === undefined) return;
    this.#events += 1;
    this.#settle(task);
    if (task.attained < task.size) {
      this.#becomeReady(task);
      this.#expired.push(task);
      return;
    }
    this.#tell('finish', task, task.worker);
    if (task.isMeasured) this.statistics.record(task, this.#now);
    this.#options.observer?.finished?.(task, this.#now);
    this.#lastDeparture = this.#now;
    this.#forget(task);
    // Policies and timers let go of a finished task, so its object serves again. One that left early may still sit in a queue.
    if (this.#options.patience === undefined) this.#spare.push(task);
  }

  #announceExpired(): void {
    for (const task of this.#expired) this.#tell('expire', task, task.worker);
    this.#expired.length = 0;
  }

  #settle(task: SimTask): void {
    const elapsed = this.#now - task.startedAt;
    const useful = Math.max(0, elapsed - task.overhead);
    task.attained += useful;
    if (this.meter.isOpen) this.meter.overhead += elapsed - useful;
    this.#options.observer?.slice?.(task, this.#now - useful, this.#now);
    this.#pool.give(task.worker, task.width, this.#now);
    if (this.capacity.length > 0) this.#use(task, -1);
  }

  #becomeReady(task: SimTask): void {
    task.state = 'ready';
    this.#ready += 1;
  }

  #arrive(): void {
    const record = this.#record;
    record.label = '';
    this.#source.take(record);
    const index = this.#submitted;
    this.#submitted += 1;
    this.#events += 1;
    const meter = this.meter;
    const warmup = this.#options.warmup ?? 0;
    const isMeasured = index >= warmup;
    if (isMeasured) {
      if (!meter.isOpen) meter.open(this.#now);
      meter.arrived += 1;
    }
    const inSystem = this.#ready + this.#running.tasks.length;
    const impossible = this.#whyImpossible(record);
    if (impossible !== undefined) this.invalid.set(impossible, (this.invalid.get(impossible) ?? 0) + 1);
    if (impossible !== undefined || inSystem >= (this.#options.capacity ?? Number.POSITIVE_INFINITY)) {
      if (isMeasured) meter.rejected += 1;
      this.#source.onLeave?.(this.#now);
    } else {
      const task = this.#admit(record, index, isMeasured);
      if (inSystem === 0 && meter.isOpen) meter.busyPeriods += 1;
      this.#ready += 1;
      this.#tell('arrive', task, -1);
      if (this.#options.patience !== undefined) this.#timer(this.#now + this.#draw(this.#options.patience), 'patience', -1, task);
    }
    if (this.#options.window !== 'all' && this.#submitted === this.#options.jobs) meter.close(this.#now);
  }

  /** Why a job could not run even if it were alone. */
  #whyImpossible(record: JobRecord): string | undefined {
    if (record.width > this.#pool.size) return 'job wider than the cluster';
    const { demand } = record;
    if (demand === undefined || this.capacity.length === 0) return undefined;
    return this.capacity.some((amount, resource) => (demand[resource] ?? 0) > amount) ? 'job that demands more than the cluster has' : undefined;
  }

  #admit(record: JobRecord, seq: number, isMeasured: boolean): SimTask {
    const task = this.#spare.pop() ?? new SimTask();
    task.begin(record, { seq, now: this.#now, isMeasured });
    task.before = this.#newest;
    task.after = undefined;
    if (this.#newest === undefined) this.#oldest = task;
    else this.#newest.after = task;
    this.#newest = task;
    return task;
  }

  #forget(task: SimTask): void {
    task.state = 'gone';
    if (task.before === undefined) this.#oldest = task.after;
    else task.before.after = task.after;
    if (task.after === undefined) this.#newest = task.before;
    else task.after.before = task.before;
    this.#source.onLeave?.(this.#now);
  }

  #overhead(task: SimTask, worker: number): Micros {
    let overhead = 0;
    if (this.#switchCost > 0 && (this.#pool.changesTo(worker, task.seq) || !this.#isOnChange)) overhead = this.#switchCost;
    if (this.#options.setup !== undefined && this.#pool.wasIdle(worker, this.#now)) overhead += this.#draw(this.#options.setup);
    return overhead;
  }

  #fits(task: SimTask): boolean {
    return this.capacity.every((amount, resource) => (this.#used[resource] ?? 0) + (task.demand[resource] ?? 0) <= amount);
  }

  #use(task: SimTask, sign: 1 | -1): void {
    for (const [resource, amount] of task.demand.entries()) this.#used[resource] = (this.#used[resource] ?? 0) + sign * amount;
  }

  #draw(law: Law): Micros {
    return Math.round(law.sample(this.#luck) * UNIT);
  }

  #timer(at: Micros, what: Timer['what'], worker: number, task?: SimTask): void {
    this.#timerOrder += 1;
    this.#timers.push({ at, order: this.#timerOrder, what, worker, task });
  }

  #fireTimers(): void {
    for (let timer = this.#timers.peek(); timer !== undefined && timer.at <= this.#now; timer = this.#timers.peek()) {
      this.#timers.pop();
      if (timer.what === 'patience') this.#leave(timer.task);
      else if (timer.what === 'down') this.#workerDown(timer.worker);
      else if (timer.what === 'up') this.#workerUp(timer.worker);
    }
  }

  #leave(task: SimTask | undefined): void {
    if (task === undefined || task.state !== 'ready' || task.firstStart >= 0) return;
    this.#tell('leave', task, -1);
    this.#ready -= 1;
    if (task.isMeasured) this.meter.abandoned += 1;
    this.#lastDeparture = this.#now;
    this.#forget(task);
  }

  #workerDown(worker: number): void {
    const failures = this.#options.failures;
    if (failures === undefined) return;
    const task = this.running.find((running) => running.worker === worker);
    this.#pool.fail(worker);
    if (task !== undefined) {
      this.#running.remove(task);
      this.#settle(task);
      if (failures.progress === 'lost') task.attained = 0;
      this.#becomeReady(task);
      this.#tell('fail', task, worker);
    }
    this.#tell('worker-down', undefined, worker);
    this.#timer(this.#now + Math.max(1, this.#draw(failures.down)), 'up', worker);
  }

  #workerUp(worker: number): void {
    const failures = this.#options.failures;
    if (failures === undefined) return;
    this.#pool.repair(worker, this.#now);
    this.#tell('worker-up', undefined, worker);
    this.#timer(this.#now + Math.max(1, this.#draw(failures.up)), 'down', worker);
  }
}
