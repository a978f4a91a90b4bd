import { messageOf, PlatformError } from '#base/errors';
import type { Instance, InstanceId, InstanceStatus } from '#model/instance';
import type { World } from '#world/world';
import type { AgentFolders } from './folders.ts';
import { type InstanceRecord, saveInstanceRecord } from './instance-record.ts';
import { INITIAL_STATE, type KeeperState } from './keeper-state.ts';
import { type Activity, statusOf } from './status-of.ts';

interface JournalParts {
  readonly folders: AgentFolders;
  readonly host: string;
  readonly onStatus: (status: InstanceStatus) => void;
}

/**
 * What an agent knows of one instance: what is wanted, how far it came, on disk for the next agent and as a status for the cluster.
 *
 * Invariants: J1 a status is told only after its record was tried to be written, with the same `since`. J2 what could not be written is written with the next change.
 */
export class InstanceJournal {
  readonly id: InstanceId;
  readonly #world: World;
  readonly #parts: JournalParts;
  /** What was wanted last, also after control has deleted it. */
  #last: Instance;
  #isWanted = true;
  #state: KeeperState;
  #activity: Activity | undefined;
  #usage: InstanceStatus['usage'];
  #status: InstanceStatus | undefined;
  #isSaved = false;

  constructor(world: World, parts: JournalParts, instance: Instance) {
    this.#world = world;
    this.#parts = parts;
    this.#last = instance;
    this.id = instance.id;
    this.#state = { ...INITIAL_STATE, nonce: instance.restartNonce };
  }

  /** What was wanted last; `wanted` says whether control still has it. */
  get last(): Instance {
    return this.#last;
  }

  get wanted(): Instance | undefined {
    return this.#isWanted ? this.#last : undefined;
  }

  get state(): KeeperState {
    return this.#state;
  }

  /** The status told last. */
  get status(): InstanceStatus | undefined {
    return this.#status;
  }

  get usage(): InstanceStatus['usage'] {
    return this.#usage;
  }

  /** A new wish of control; `undefined` when the instance was deleted. */
  wish(instance: Instance | undefined): void {
    if (instance) this.#last = instance;
    this.#isWanted = instance !== undefined;
    this.#isSaved = false;
  }

  /** Goes on where the agent before left off. */
  load({ state, phase }: InstanceRecord): void {
    this.#state = state;
    this.#isSaved = true;
    if (phase) this.#status = { ...this.#makeStatus(), phase: phase.name, since: phase.since, attempt: phase.attempt };
  }

  /** The state from now on, written and told. A full disk must not keep an instance from being stopped (J2). */
  async become(state: KeeperState): Promise<void> {
    this.#state = state;
    await this.#trySave();
    this.publish();
  }

  /** The state from now on, which must be on disk before what follows it is done. */
  async becomeDurably(state: KeeperState): Promise<void> {
    this.#state = state;
    await this.#save();
  }

  /** J2 */
  async catchUp(): Promise<void> {
    if (!this.#isSaved && this.#state.stage.kind !== 'stopped') await this.#trySave();
  }

  /** It is over: its record goes, so that no later agent starts it again; then the state is told. */
  async close(state: KeeperState): Promise<void> {
    this.#state = state;
    await this.remove();
    this.publish();
  }

  async remove(): Promise<void> {
    await this.#world.disk.remove(this.#parts.folders.instance(this.id));
  }

  /** What is done while nothing runs; `undefined` when it is done. Told at once only when there is something to tell. */
  setActivity(activity: Activity | undefined): void {
    this.#activity = activity;
    if (activity) this.publish();
  }

  /** What it uses; `undefined` forgets it without a word. */
  setUsage(usage: InstanceStatus['usage']): void {
    this.#usage = usage;
    if (usage) this.publish();
  }

  publish(): void {
    this.#status = this.#makeStatus();
    this.#parts.onStatus(this.#status);
  }

  async #trySave(): Promise<void> {
    try {
      await this.#save();
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      this.#world.log.write('error', 'The record of an instance cannot be written', { instance: this.id, cause: messageOf(error) });
    }
  }

  async #save(): Promise<void> {
    this.#isSaved = true;
    // J1
    this.#status = this.#makeStatus();
    const { phase, since, attempt } = this.#status;
    const record: InstanceRecord = { version: 1, instance: this.#last, state: this.#state, phase: { name: phase, since, attempt } };
    try {
      await saveInstanceRecord(this.#world, this.#parts.folders, record);
    } catch (error) {
      this.#isSaved = false;
      throw error;
    }
  }

  #makeStatus(): InstanceStatus {
    return statusOf({
      instance: this.#last,
      state: this.#state,
      activity: this.#activity,
      host: this.#parts.host,
      previous: this.#status,
      wall: this.#world.clock.wall(),
      usage: this.#usage,
    });
  }
}
