import type { ChildProcess, SendHandle } from 'node:child_process';
import { backoffMs } from '#base/backoff';
import { onAbort } from '#base/signal';
import type { Route } from '#model/route';
import type { World } from '#world/world';
import type { HealthUpdate } from './dataplane/dataplane.ts';
import type { ListenerSettings } from './dataplane/listener-settings.ts';
import type { ListeningHandle } from './listeners.ts';
import { mergeSamples, withChanges, withoutGauges } from './merged-samples.ts';
import { PanicWatch } from './panic-watch.ts';
import { SampleRounds } from './sample-rounds.ts';
import { type Challenges, NO_CHALLENGES } from './tls/acme/challenges.ts';
import { TicketRotation } from './tls/ticket-rotation.ts';
import { startWorkerProcess } from './worker-process.ts';
import type { BackendObservation, FromWorker, ToWorker, WorkerSample } from './worker-protocol.ts';

/** What every worker must have in force. */
export interface Snapshot {
  readonly revision: number;
  readonly routes: readonly Route[];
}

const RESTART = { baseMs: 100, capMs: 5_000, jitter: 0.25 } as const;
/** A worker that lived this long has not failed at starting. */
const steadyMs = 10_000;
/** A worker that answers nothing for this long is ended and replaced. */
const hungMs = 10_000;
/** And to so many questions: after a time in which we were stopped ourselves, what it said meanwhile is heard after the next one. */
const hungQuestions = 3;
const sampleTimeoutMs = 1_000;
const seedBytes = 16;

interface Listener {
  readonly handle: ListeningHandle;
  readonly settings: ListenerSettings;
}

interface Worker {
  readonly number: number;
  readonly child: ChildProcess;
  readonly startedAt: number;
  applied: number;
  /** Listeners it accepts on. */
  readonly listening: Set<string>;
  lastHeardAt: number;
  /** Questions since then. */
  unanswered: number;
  sample: WorkerSample | undefined;
  observations: readonly BackendObservation[];
}

/**
 * The worker processes of one gateway.
 *
 * W1: a worker gets the newest snapshot before its listeners, so it never serves an older one. W2: listeners belong to the parent and outlive every worker.
 * W3: `appliedRevision` is in force in all that live; a worker that has ended serves nothing. W4: one that fails is in `#failing` instead of `#workers` until it has ended:
 * it gets no new connections, but follows the routes and is asked for its counters as long as requests are in flight.
 */
export class Workers implements AsyncDisposable {
  readonly #world: World;
  readonly #options: WorkersOptions;
  readonly #workers = new Map<number, Worker>();
  readonly #failing = new Set<Worker>();
  readonly #listeners = new Map<string, Listener>();
  readonly #rounds: SampleRounds;
  readonly #panics: PanicWatch;
  readonly #failures = new Map<number, number>();
  /** The last counters of all workers that ended, as one. */
  #past: WorkerSample | undefined;
  readonly #tickets: TicketRotation;
  #challenges: Challenges = NO_CHALLENGES;
  #snapshot: Snapshot | undefined;
  #appliedRevision = 0;
  #isStopping = false;
  restarts = 0;

  constructor(world: World, options: WorkersOptions) {
    this.#world = world;
    this.#options = options;
    this.#rounds = new SampleRounds(world.clock);
    this.#panics = new PanicWatch(world.log);
    this.#tickets = new TicketRotation(world, (secrets) => {
      for (const worker of this.#workers.values()) this.#send(worker, { kind: 'tickets', secrets });
    });
  }

  get appliedRevision(): number {
    return this.#appliedRevision;
  }

  get pids(): readonly number[] {
    return [...this.#workers.values()].map(({ child }) => child.pid ?? 0);
  }

  get listeners(): ReadonlyMap<string, ListeningHandle> {
    return new Map([...this.#listeners].map(([id, { handle }]) => [id, handle]));
  }

  /** Those that serve, and those that only end what they have. */
  get #live(): readonly Worker[] {
    return [...this.#workers.values(), ...this.#failing];
  }

  /** True once every worker serves every listener under the newest snapshot. */
  get areReady(): boolean {
    const { size } = this.#listeners;
    return (
      this.#workers.size === this.#options.count &&
      [...this.#workers.values()].every((worker) => worker.applied === this.#snapshot?.revision && worker.listening.size === size)
    );
  }

  /** Of those that live, and what those that ended have counted. The live ones come last: what is not a sum is theirs. */
  get samples(): readonly WorkerSample[] {
    return [...(this.#past === undefined ? [] : [this.#past]), ...this.#live.flatMap(({ sample }) => sample ?? [])];
  }

  /** What workers say of backends, one list per worker. */
  get observations(): readonly (readonly BackendObservation[])[] {
    return this.#live.map(({ observations }) => observations);
  }

  /** Puts a snapshot in force everywhere; `onApplied` follows when every worker has it. */
  publish(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    if (this.#workers.size === 0) for (let number = 1; number <= this.#options.count; number++) this.#start(number);
    else for (const worker of this.#live) this.#send(worker, { kind: 'snapshot', ...snapshot, health: this.#options.health() });
  }

  setHealth(updates: readonly HealthUpdate[]): void {
    for (const worker of this.#live) this.#send(worker, { kind: 'health', updates });
  }

  addListener(id: string, handle: ListeningHandle, settings: ListenerSettings): void {
    this.#listeners.set(id, { handle, settings });
    for (const worker of this.#workers.values()) this.#send(worker, { kind: 'listen', id, settings }, handle);
  }

  /** Connections accepted from now on are treated by these settings; the listener is not closed for it. */
  changeListener(id: string, settings: ListenerSettings): void {
    const listener = this.#listeners.get(id);
    if (listener === undefined) return;
    this.#listeners.set(id, { ...listener, settings });
    for (const worker of this.#workers.values()) this.#send(worker, { kind: 'change', id, settings });
  }

  /** Resolves once these challenges, and no others, are answered by every worker that is well. */
  async showChallenges(challenges: Challenges, signal: AbortSignal): Promise<void> {
    this.#challenges = challenges;
    for (const worker of this.#workers.values()) this.#send(worker, { kind: 'challenges', challenges });
    // Messages are taken in order: who answers this has taken the one before. When all is about to end nobody need answer.
    if (!signal.aborted) await this.refreshSamples(signal, { withinMs: hungMs });
  }

  removeListener(id: string): void {
    const listener = this.#listeners.get(id);
    if (listener === undefined) return;
    this.#listeners.delete(id);
    for (const worker of this.#workers.values()) {
      worker.listening.delete(id);
      this.#send(worker, { kind: 'unlisten', id });
    }
    listener.handle.close();
  }

  /** Asks every worker for its counters; resolves when all have answered or after `withinMs`. Ends a worker that has been silent for too long. */
  async refreshSamples(signal: AbortSignal, { withinMs = sampleTimeoutMs }: { readonly withinMs?: number } = {}): Promise<void> {
    const now = this.#world.clock.now();
    const asked = this.#live;
    const ask = (request: number) => {
      for (const worker of asked) {
        if (now - worker.lastHeardAt > hungMs && worker.unanswered >= hungQuestions) worker.child.kill('SIGKILL');
        worker.unanswered++;
        this.#send(worker, { kind: 'sample', request });
      }
    };
    await this.#rounds.run(asked.length, { ask, withinMs, signal });
  }

  /**
   * Takes no new connections and lets requests in flight end, for at most `drainMs`, then ends the workers. With `hurry` nobody waits for that: connections that
   * are not used stay until their time is over; if it aborts, what is left has `hurriedMs`.
   */
  async stop(drainMs: number, { hurry, hurriedMs = drainMs }: { readonly hurry?: AbortSignal; readonly hurriedMs?: number } = {}): Promise<void> {
    this.#isStopping = true;
    this.#tickets[Symbol.dispose]();
    const exits = this.#live.map((worker) => exited(worker.child));
    const tell = (lastsMs: number, keepsIdle: boolean) => {
      for (const worker of this.#live) this.#send(worker, { kind: 'drain', lastsMs, keepsIdle });
    };
    tell(drainMs, hurry !== undefined);
    for (const { handle } of this.#listeners.values()) handle.close();
    this.#listeners.clear();
    const kill = () => {
      for (const worker of this.#live) worker.child.kill('SIGKILL');
    };
    using deadlines = new DisposableStack();
    deadlines.use(this.#world.clock.after(drainMs, kill));
    const hasten = () => {
      tell(hurriedMs, false);
      deadlines.use(this.#world.clock.after(hurriedMs, kill));
    };
    deadlines.use(onAbort(hurry, hasten));
    await Promise.all(exits);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(0);
  }

  #start(number: number): void {
    if (this.#isStopping || this.#snapshot === undefined) return;
    const { clock, random } = this.#world;
    const child = startWorkerProcess();
    const now = clock.now();
    const worker: Worker = {
      number,
      child,
      startedAt: now,
      applied: 0,
      listening: new Set(),
      lastHeardAt: now,
      unanswered: 0,
      sample: undefined,
      observations: [],
    };
    this.#workers.set(number, worker);
    child.on('message', (message) => this.#hear(worker, message as FromWorker));
    child.on('error', (error) => this.#world.log.write('error', 'gateway worker failed', { worker: number, cause: error.message }));
    child.once('exit', (code, signal) => this.#ended(worker, code, signal));
    this.#send(worker, { kind: 'start', seed: [...random.bytes(seedBytes)], accessLogPath: this.#options.accessLogPath(number) });
    this.#send(worker, { kind: 'tickets', secrets: this.#tickets.secrets });
    this.#send(worker, { kind: 'challenges', challenges: this.#challenges });
    // W1.
    this.#send(worker, { kind: 'snapshot', ...this.#snapshot, health: this.#options.health() });
    for (const [id, { handle, settings }] of this.#listeners) this.#send(worker, { kind: 'listen', id, settings }, handle);
  }

  #ended(worker: Worker, code: number | null, signal: string | null): void {
    const wasFailing = this.#failing.delete(worker);
    if (!wasFailing && !this.#takeOut(worker)) return;
    if (worker.sample !== undefined) {
      const last = withoutGauges(worker.sample);
      this.#past = this.#past === undefined ? last : mergeSamples([this.#past, last]);
    }
    if (this.#isStopping) return;
    if (!wasFailing) {
      this.#world.log.write('error', 'gateway worker ended and is started again', {
        worker: worker.number,
        code: code ?? undefined,
        signal: signal ?? undefined,
      });
      this.#startAgain(worker);
    }
    this.#recount();
  }

  /** W4. */
  #fail(worker: Worker, cause: string): void {
    if (!this.#takeOut(worker)) return;
    this.#failing.add(worker);
    this.#world.log.write('error', 'gateway worker met an error that nobody caught; it ends what it has, and another is started', {
      worker: worker.number,
      cause,
    });
    // An error that comes again and again leaves no crowd behind.
    const [oldest] = this.#failing;
    if (this.#failing.size > this.#options.count) oldest?.child.kill('SIGKILL');
    if (!this.#isStopping) this.#startAgain(worker);
  }

  /** False if it does not serve any more. */
  #takeOut(worker: Worker): boolean {
    if (this.#workers.get(worker.number) !== worker) return false;
    this.#workers.delete(worker.number);
    this.#panics.forget(worker.number);
    return true;
  }

  #startAgain(worker: Worker): void {
    const { clock, random } = this.#world;
    const failures = clock.now() - worker.startedAt > steadyMs ? 0 : (this.#failures.get(worker.number) ?? 0);
    this.#failures.set(worker.number, failures + 1);
    this.restarts++;
    if (failures === 0) this.#start(worker.number);
    else clock.after(backoffMs(RESTART, failures - 1, random.next()), () => this.#start(worker.number));
  }

  #hear(worker: Worker, message: FromWorker): void {
    worker.lastHeardAt = this.#world.clock.now();
    worker.unanswered = 0;
    switch (message.kind) {
      case 'applied':
        worker.applied = message.revision;
        this.#recount();
        break;
      case 'listening':
        worker.listening.add(message.id);
        this.#options.onChange();
        break;
      case 'failing':
        this.#fail(worker, message.cause);
        break;
      case 'report':
        worker.observations = message.backends;
        if (this.#workers.get(worker.number) === worker) this.#panics.note(worker.number, message.panicking);
        this.#options.onChange();
        break;
      case 'sample':
        worker.sample = withChanges(worker.sample, message.changes);
        this.#rounds.answered(message.request);
        break;
    }
  }

  #recount(): void {
    // W3.
    const workers = this.#live.filter(({ applied }) => applied > 0);
    if (workers.length > 0) this.#appliedRevision = Math.min(...workers.map(({ applied }) => applied));
    this.#options.onChange();
  }

  #send(worker: Worker, message: ToWorker, handle?: ListeningHandle): void {
    if (!worker.child.connected) return;
    // An error here means that the worker is ending; its exit is heard of and it is started again.
    worker.child.send(message, handle as unknown as SendHandle, () => undefined);
  }
}

export interface WorkersOptions {
  readonly count: number;
  readonly health: () => readonly HealthUpdate[];
  readonly accessLogPath: (worker: number) => string | undefined;
  /** Something a status may say has changed: the applied revision, an ejection, requests in flight, readiness. */
  readonly onChange: () => void;
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const done = Promise.withResolvers<void>();
  child.once('exit', () => done.resolve());
  await done.promise;
}
