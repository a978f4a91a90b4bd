import type { Clock, ProcessExit, RunningProcess } from '#world/world';
import { type ProcessFacts, UNSEEN } from './keeper-state.ts';
import type { LogFile } from './logs/log-file.ts';
import { momentNow } from './moment.ts';

/** The process of an attempt, if there is one, with the file that takes its output, and what is seen of both. */
export class KeptProcess {
  readonly #clock: Clock;
  readonly #onExit: () => void;
  #process: RunningProcess | undefined;
  #output: LogFile | undefined;
  #facts: ProcessFacts = UNSEEN;

  /** `onExit` is called when the leader of the group has ended. */
  constructor(clock: Clock, onExit: () => void) {
    this.#clock = clock;
    this.#onExit = onExit;
  }

  get facts(): ProcessFacts {
    return this.#facts;
  }

  /** Open until its owner closes it. */
  get output(): LogFile | undefined {
    return this.#output;
  }

  /** Takes a process that was started or found. */
  attach(process: RunningProcess, output: LogFile): void {
    this.#process = process;
    this.#output = output;
    this.#facts = UNSEEN;
    void process.exited.then((exit) => {
      if (this.#process !== process) return;
      this.#facts = { ...this.#facts, exit };
      this.#onExit();
    });
  }

  /** It ended while no agent was there. */
  goneBefore(exit: ProcessExit): void {
    this.#facts = { ...this.#facts, exit, isGroupGone: true };
  }

  async usage(): ReturnType<RunningProcess['usage']> {
    return await this.#process?.usage();
  }

  async signal(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const isAnybodyLeft = (await this.#process?.signal(signal)) ?? false;
    if (!isAnybodyLeft) this.#facts = { ...this.#facts, isGroupGone: true };
  }

  /** Looks whether anybody of the group is left. */
  async look(): Promise<void> {
    const hasMembers = (await this.#process?.hasMembers()) ?? false;
    this.#facts = { ...this.#facts, looks: this.#facts.looks + 1, lookedAt: momentNow(this.#clock), isGroupGone: !hasMembers };
  }

  /** Lets go of a process whose group has ended, of its file, and of what was seen of it. */
  release(): void {
    this.#process = undefined;
    this.#output = undefined;
    this.#facts = UNSEEN;
  }
}
