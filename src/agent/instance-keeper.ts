import { AssertionError, unreachable } from '#base/assert';
import { backoffMs } from '#base/backoff';
import { messageOf, PlatformError } from '#base/errors';
import { isAbort, onAbort } from '#base/signal';
import { Wakeup } from '#base/wakeup';
import type { Instance, InstanceId } from '#model/instance';
import type { ProcessExit, ProcessSpec, World } from '#world/world';
import { afterEnd, classifyEnd, renewed } from './after-end.ts';
import { afterProbe, NO_CHECKS } from './check-facts.ts';
import { InstanceJournal } from './instance-journal.ts';
import { type Action, planInstance } from './instance-plan.ts';
import type { InstanceRecord } from './instance-record.ts';
import type { KeeperParts } from './keeper-parts.ts';
import type { End, KeeperState, ProcessStage } from './keeper-state.ts';
import { KeptProcess } from './kept-process.ts';
import { environmentOf, failedStart, gatherSupplies, launch, type Supplies } from './launch.ts';
import { momentNow } from './moment.ts';
import { PrepareFailure } from './prepare-failure.ts';
import { probeInstance } from './probe.ts';
import type { Runtime } from './runtimes/runtime.ts';
import { isNotableUsage } from './usage.ts';

/** Lines of output given with a failure. */
const outputLines = 20;
const outputLineChars = 400;
/** After an error of the agent's own, such as a full disk. */
const RETRY = { baseMs: 500, capMs: 10_000, jitter: 0.25 } as const;

/**
 * Brings one instance to what control wants of it, and keeps it there. Decisions are `planInstance`'s and `afterEnd`'s, memory is the journal's; this acts.
 *
 * Invariants: K1 one action at a time. K2 what the next agent must know is on disk before the act that needs it: the intent before a signal, the token before a
 * start. K3 an aborted `run` leaves the process running.
 */
export class InstanceKeeper {
  readonly id: InstanceId;
  readonly #world: World;
  readonly #parts: KeeperParts;
  readonly #journal: InstanceJournal;
  readonly #wakeup = new Wakeup();
  readonly #process: KeptProcess;
  #isPrepared = false;
  #check = NO_CHECKS;
  #operation: AbortController | undefined;

  constructor(world: World, parts: KeeperParts, instance: Instance) {
    this.#world = world;
    this.#parts = parts;
    this.#journal = new InstanceJournal(world, parts, instance);
    this.#process = new KeptProcess(world.clock, () => this.#interrupt());
    this.id = instance.id;
  }

  /** What was wanted last; `isWanted` says whether control still has it. */
  get instance(): Instance {
    return this.#last;
  }

  get isWanted(): boolean {
    return this.#journal.wanted !== undefined;
  }

  /** A new wish of control; `undefined` when the instance was deleted. */
  update(instance: Instance | undefined): void {
    this.#journal.wish(instance);
    this.#interrupt();
  }

  /** Takes over from an earlier agent what its record tells; called before `run`. A process that lives is not touched (B4). */
  async recover(record: InstanceRecord): Promise<void> {
    this.#journal.load(record);
    const { stage, port } = this.#state;
    this.#isPrepared = await this.#runtime.isPrepared(this.#last);
    // Before anybody else of this node looks for a free one.
    if ((stage.kind === 'process' || stage.kind === 'starting') && port !== undefined && this.#last.spec.listens) this.#parts.ports.hold(port, this.id);
    if (stage.kind === 'process') await this.#adopt(stage);
    this.#journal.publish();
  }

  /** Returns when the instance is forgotten, or when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#journal.catchUp();
        const action = this.#plan();
        if (action.kind === 'forget') return await this.#forget();
        await this.#perform(action, signal);
        failures = 0;
      } catch (error) {
        if (isAbort(error, signal)) return;
        if (error instanceof AssertionError) throw error;
        this.#world.log.write('error', 'The agent failed at an instance and tries again', { instance: this.id, cause: messageOf(error) });
        await this.#world.clock.sleep(backoffMs(RETRY, failures++, this.#world.random.next()), signal).catch(() => undefined);
      }
    }
  }

  /** False while nobody was told yet what this attempt uses. */
  get isMeasured(): boolean {
    return this.#journal.usage !== undefined;
  }

  /** Measures what the instance uses; published when it differs notably from what was published last. */
  async measure(): Promise<void> {
    if (this.#journal.status?.phase !== 'running') return;
    const usage = await this.#process.usage();
    if (usage && isNotableUsage(this.#journal.usage, usage)) this.#journal.setUsage(usage);
  }

  /** Environment and folder for a command that an operator runs beside the instance. */
  async beside(signal: AbortSignal): Promise<Pick<ProcessSpec, 'environment' | 'workingDirectory'>> {
    const instance = this.#last;
    const secrets = instance.secrets.length === 0 ? {} : await this.#parts.secrets.read(instance.secrets, { instance: instance.id, signal });
    return {
      environment: environmentOf(this.#parts, instance, { port: this.#state.port, secrets }),
      workingDirectory: this.#runtime.workingDirectory(instance),
    };
  }

  get #last(): Instance {
    return this.#journal.last;
  }

  get #state(): KeeperState {
    return this.#journal.state;
  }

  get #runtime(): Runtime {
    return this.#parts.runtimes[this.#last.spec.run.kind];
  }

  #plan(): Action {
    const facts = { ...this.#process.facts, isPrepared: this.#isPrepared, check: this.#check };
    return planInstance({ instance: this.#journal.wanted, state: this.#state, facts, now: this.#world.clock.now() });
  }

  /** Whatever is under way is planned anew. */
  #interrupt(): void {
    this.#operation?.abort(new PlatformError('ABORTED', 'Something changed'));
    this.#wakeup.ring();
  }

  async #perform(action: Exclude<Action, { kind: 'forget' }>, signal: AbortSignal): Promise<void> {
    switch (action.kind) {
      case 'prepare':
        return await this.#operate(signal, (operation) => this.#prepare(operation));
      case 'start':
        return await this.#start(signal);
      case 'seek':
        return await this.#seek(action);
      case 'probe':
        return await this.#operate(signal, (operation) => this.#probe(action, operation));
      case 'become-running':
        return await this.#becomeRunning();
      case 'end':
        return await this.#end(action);
      case 'kill':
        return await this.#kill();
      case 'look':
        return await this.#process.look();
      case 'settle':
        return await this.#settle(action.end);
      case 'stop':
        return await this.#stop(action.end);
      case 'reset':
        return await this.#journal.become({ ...this.#state, restarts: [], isCleanExitUsed: false });
      case 'renew':
        return await this.#journal.become(renewed(this.#state, this.#last));
      case 'wait':
        return await this.#wait(action, signal);
      default:
        return unreachable(action);
    }
  }

  /** Runs what may take long, until it ends or something changes; a change is not an error. */
  async #operate(signal: AbortSignal, work: (operation: AbortSignal) => Promise<void>): Promise<void> {
    const operation = new AbortController();
    this.#operation = operation;
    using _listening = onAbort(signal, (reason) => operation.abort(reason));
    try {
      await work(operation.signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isAbort(error, operation.signal)) throw error;
    } finally {
      this.#operation = undefined;
      this.#journal.setActivity(undefined);
    }
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    try {
      await this.#runtime.prepare(this.#last, { onActivity: (activity) => this.#journal.setActivity(activity), signal });
      this.#isPrepared = true;
      this.#journal.setActivity(undefined);
      await this.#journal.become({ ...this.#state, preparedAt: this.#state.preparedAt ?? momentNow(this.#world.clock) });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof PrepareFailure) await this.#conclude({ why: error.why, reason: error.message, output: shortened(error.output) });
      else if (error instanceof PlatformError) await this.#conclude({ why: 'not-ready', reason: `cannot be prepared yet: ${error.message}` });
      else throw error;
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const instance = this.#last;
    let gathered: Awaited<ReturnType<typeof gatherSupplies>> | undefined;
    try {
      await this.#operate(signal, async (operation) => {
        await this.#awaitTurn(operation);
        gathered = await gatherSupplies(this.#parts, instance, { port: this.#state.port, signal: operation });
      });
      if (!gathered) return;
      if ('end' in gathered) return await this.#conclude(gathered.end);
      if (this.#journal.wanted === instance) await this.#launch(instance, gathered.supplies);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PlatformError)) throw error;
      await this.#conclude(failedStart(error));
    } finally {
      if (this.#state.stage.kind !== 'process') this.#parts.gate.leave(this.id);
    }
  }

  async #awaitTurn(signal: AbortSignal): Promise<void> {
    const onWait = (ahead: number) =>
      this.#journal.setActivity({ phase: 'starting', reason: `waiting for its turn: ${ahead} others of this node start first` });
    await this.#parts.gate.enter(this.id, { onWait, signal });
  }

  async #launch(instance: Instance, supplies: Supplies): Promise<void> {
    const { process, output } = await launch(this.#world, this.#parts, { journal: this.#journal, instance, supplies });
    this.#check = NO_CHECKS;
    this.#process.attach(process, output);
    const startedAt = momentNow(this.#world.clock);
    await this.#journal.become({ ...this.#state, stage: { kind: 'process', identity: process.identity, startedAt } });
  }

  /** An agent before us ended during this start: its process is found by its token, or proven not to be there. */
  async #seek({ token, bootId, since }: Extract<Action, { kind: 'seek' }>): Promise<void> {
    const process = bootId === this.#parts.bootId ? await this.#runtime.find(token) : undefined;
    if (!process) return await this.#journal.become({ ...this.#state, stage: { kind: 'idle' } });
    this.#process.attach(process, await this.#parts.logs.open(this.#last, this.#state.attempt));
    await this.#journal.become({ ...this.#state, stage: { kind: 'process', identity: process.identity, startedAt: since } });
  }

  async #adopt(stage: ProcessStage): Promise<void> {
    const process = await this.#runtime.adopt(stage.identity);
    if (process) {
      this.#process.attach(process, await this.#parts.logs.open(this.#last, this.#state.attempt));
      // The agent before us may have ended between the record of the signal and the signal.
      if (stage.ending) await process.signal(stage.ending.killedAt ? 'SIGKILL' : 'SIGTERM');
      return;
    }
    const exit: ProcessExit = { code: undefined, signal: undefined };
    this.#process.goneBefore(exit);
    if (stage.identity.bootId !== this.#parts.bootId && !stage.ending) {
      const end: End = { why: 'machine', reason: 'the machine was started again', exit };
      await this.#journal.become({ ...this.#state, stage: { ...stage, ending: { end, since: momentNow(this.#world.clock) } } });
    }
  }

  async #probe(action: Extract<Action, { kind: 'probe' }>, signal: AbortSignal): Promise<void> {
    const address = { host: this.#parts.host, port: this.#state.port ?? 0 };
    const failure = await probeInstance(this.#world.network, { address, probe: action.probe }, { timeoutMs: action.timeoutMs, signal });
    this.#check = afterProbe(this.#check, { failure, rise: action.rise, at: momentNow(this.#world.clock) });
    if (failure === undefined && action.check === 'startup') await this.#becomeRunning();
  }

  async #becomeRunning(): Promise<void> {
    const { stage } = this.#state;
    if (stage.kind !== 'process') return;
    this.#check = NO_CHECKS;
    this.#parts.gate.leave(this.id);
    this.#journal.setUsage(undefined);
    await this.#journal.become({ ...this.#state, wasRunning: true, stage: { ...stage, readyAt: momentNow(this.#world.clock) } });
  }

  async #end({ signal, end }: Extract<Action, { kind: 'end' }>): Promise<void> {
    const { stage } = this.#state;
    if (stage.kind !== 'process') return;
    const since = momentNow(this.#world.clock);
    await this.#journal.become({ ...this.#state, stage: { ...stage, ending: { end, since, ...(signal === 'SIGKILL' ? { killedAt: since } : {}) } } });
    await this.#process.signal(signal);
  }

  async #kill(): Promise<void> {
    const { stage } = this.#state;
    if (stage.kind !== 'process' || !stage.ending) return;
    await this.#journal.become({ ...this.#state, stage: { ...stage, ending: { ...stage.ending, killedAt: momentNow(this.#world.clock) } } });
    await this.#process.signal('SIGKILL');
  }

  async #settle(end: End): Promise<void> {
    const { stage } = this.#state;
    if (stage.kind !== 'process') return;
    const isFailure = end.why === 'exited' || end.why === 'start-timeout' || end.why === 'alive-check';
    const output = isFailure ? shortened(await this.#parts.logs.lastLines(this.#last, { attempt: this.#state.attempt, count: outputLines })) : undefined;
    const aliveMs = this.#world.clock.now() - stage.startedAt.at;
    const whole = classifyEnd({ ...end, ...(output ? { output } : {}) }, { aliveMs, isReady: stage.readyAt !== undefined });
    if (this.#process.output) await this.#parts.logs.close(this.#process.output);
    this.#process.release();
    this.#check = NO_CHECKS;
    await this.#conclude(whole);
  }

  /** What follows from the end of an attempt. */
  async #conclude(end: End): Promise<void> {
    this.#parts.gate.leave(this.id);
    const next = afterEnd({ instance: this.#journal.wanted, state: this.#state, end, now: momentNow(this.#world.clock), luck: this.#world.random.next() });
    if (next.stage.kind === 'stopped') return await this.#stop(next.stage.end);
    if (next.stage.kind === 'failed' || next.port === undefined) this.#parts.ports.release(this.id);
    if (next.stage.kind === 'failed') this.#world.log.write('warn', 'An instance has failed', { instance: this.id, cause: next.stage.end.reason });
    await this.#journal.become(next);
  }

  /** Nothing of it runs: what it had on this node goes, but for its output and its data. */
  async #stop(end: End): Promise<void> {
    this.#parts.ports.release(this.id);
    await this.#journal.close({ ...this.#state, stage: { kind: 'stopped', end } });
  }

  async #forget(): Promise<void> {
    this.#parts.ports.release(this.id);
    await this.#journal.remove();
  }

  async #wait({ until }: Extract<Action, { kind: 'wait' }>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#world;
    // At least a millisecond: a clock that runs at a rate of its own may be short of `until` by less than it can count.
    using _timer = until === undefined ? undefined : clock.after(Math.max(1, until - clock.now()), () => this.#wakeup.ring());
    await this.#wakeup.wait(signal);
  }
}

/** Output as part of a status, which every watcher gets. */
function shortened(lines: readonly string[]): string[] {
  return lines.slice(-outputLines).map((line) => (line.length > outputLineChars ? `${line.slice(0, outputLineChars)}…` : line));
}
