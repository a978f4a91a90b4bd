import type { InstanceId } from '#model/instance';
import type { Moment } from '#model/moment';
import type { RolloutAction } from './action.ts';

/** Instances a plan may touch at once: what is left follows in the next pass. Keeps a plan within one transaction of the store. */
export const MAX_ACTIONS_PER_PLAN = 30;

/** A plan in the making: actions, reasons for what is pending, and when to look again. */
export class PlanDraft {
  readonly now: Moment;
  readonly #actions: RolloutAction[] = [];
  readonly #pending: string[] = [];
  readonly #leaving = new Set<InstanceId>();
  #wakeAt: Moment | undefined;

  constructor(now: Moment) {
    this.now = now;
  }

  get actions(): readonly RolloutAction[] {
    return this.#actions;
  }

  /** Each reason once, in the order of the findings. */
  get pending(): readonly string[] {
    return [...new Set(this.#pending)];
  }

  get wakeAt(): Moment | undefined {
    return this.#wakeAt;
  }

  get isFull(): boolean {
    return this.#actions.length >= MAX_ACTIONS_PER_PLAN;
  }

  add(action: RolloutAction): void {
    this.#actions.push(action);
    if (action.kind === 'drain' || action.kind === 'stop') this.#leaving.add(action.id);
  }

  /** True for an instance this plan takes out of service. */
  isLeaving(id: InstanceId): boolean {
    return this.#leaving.has(id);
  }

  wait(reason: string): void {
    this.#pending.push(reason);
  }

  /** True once `moment` has come; until then the plan asks to be made again at that time. */
  isDue(moment: Moment): boolean {
    if (moment <= this.now) return true;
    if (this.#wakeAt === undefined || moment < this.#wakeAt) this.#wakeAt = moment;
    return false;
  }
}
