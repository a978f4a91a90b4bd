import { currentOf, type Member, type Outgoing } from './member.ts';
import { isLive, type Pace, slotOrder } from './pace.ts';
import type { PlanDraft } from './plan-draft.ts';

/** Keeps count of what serves while a plan adds and takes away: the one place that answers "may this one go?". */
export class Serving {
  readonly #members: readonly Member[];
  readonly #pace: Pace;
  readonly #draft: PlanDraft;
  /** Counted at the gateways, old and new alike (R2). */
  #ready: number;
  /** With a process that runs, ready or not. */
  #live: number;
  /** All that run or are about to. */
  #total: number;
  /** The same in the slots that are wanted: what a larger count left is not in their way (A2). */
  #inSlots: number;
  /** New ones that are not healthy yet, those of this plan too. */
  #starting: number;
  /** Slots on their way from an old instance to a new one that is not healthy yet. */
  #inTransit: number;
  /** R7: canaries are out and not all healthy yet. */
  readonly #isCanaryPhase: boolean;

  constructor(members: readonly Member[], pace: Pace, draft: PlanDraft) {
    const staying = members.filter((member) => !draft.isLeaving(member.facts.instance.id));
    this.#members = members;
    this.#pace = pace;
    this.#draft = draft;
    this.#ready = staying.filter((member) => member.isReady).length;
    this.#live = staying.filter((member) => !member.isBroken).length;
    this.#total = staying.filter((member) => member.outgoing === undefined || isLive(member)).length;
    this.#inSlots = staying.filter((member) => member.slot <= pace.count && (member.outgoing === undefined || isLive(member))).length;
    this.#starting = staying.filter((member) => member.outgoing === undefined && !member.isHealthy).length;
    this.#inTransit = slotOrder(pace.tiers).filter((slot) => {
      const current = currentOf(members, slot);
      return current === undefined ? !members.some((member) => member.slot === slot && isLive(member)) : !current.isHealthy;
    }).length;
    const healthy = members.filter((member) => member.outgoing === undefined && member.isHealthy).length;
    this.#isCanaryPhase = pace.isRolling && healthy < Math.min(pace.canary, pace.count);
  }

  // R7: canaries come on top of all old instances, all at once.
  get #mayStart(): { readonly parallel: number; readonly surge: number } {
    const { maxParallel, maxSurge, canary } = this.#pace;
    return this.#isCanaryPhase ? { parallel: canary, surge: canary } : { parallel: maxParallel, surge: maxSurge };
  }

  added(): void {
    this.#total++;
    this.#inSlots++;
    this.#starting++;
    this.#inTransit++;
  }

  /** R1: deploys superseded half-way left two in some slots, which count; but while nothing else starts, nothing may hold up the first (R8). */
  mayFillEmpty(): boolean {
    const { count, maxSurge, canary } = this.#pace;
    return this.#inSlots < count + Math.max(1, maxSurge) + canary || this.#starting === 0;
  }

  /** R1: one more next to those it replaces. A drained node gets one even where the update allows none (D1). */
  mayAddFor(replaced: readonly Member[]): boolean {
    const isEviction = replaced.every((member) => member.outgoing === 'node-draining');
    // Another slot that is not healthy holds up an update, which may be the reason, but never a drain.
    if (isEviction) return this.#total < this.#pace.count + Math.max(1, this.#pace.maxSurge);
    const { parallel, surge } = this.#mayStart;
    return this.#inTransit < parallel && this.#total < this.#pace.count + surge;
  }

  drainIfAllowed(member: Member): void {
    const { id } = member.facts.instance;
    if (member.outgoing === undefined || this.#draft.isLeaving(id) || this.#draft.isFull) return;
    if (!this.#mayDrain(member, member.outgoing)) {
      this.#draft.wait(`${member.name} ${WAITING[member.outgoing]} and stays until enough others are healthy`);
      return;
    }
    this.#draft.add({ kind: 'drain', id, reason: reasonOf(member, member.outgoing), byUser: !['node-lost', 'gave-up', 'duplicate'].includes(member.outgoing) });
    if (member.isReady) this.#ready--;
    if (!member.isBroken) this.#live--;
    if (currentOf(this.#members, member.slot) === undefined) this.#inTransit++;
  }

  #mayDrain(member: Member, outgoing: Outgoing): boolean {
    if (outgoing === 'removed' || outgoing === 'failed-release') return true;
    const current = currentOf(this.#members, member.slot);
    // N7: a lost instance may come back, and is kept until another does its work.
    if (outgoing === 'node-lost' && member.facts.host.kind === 'lost') return current?.isReady === true && this.#leavesEnough(member);
    if (member.isBroken) return true;
    if (outgoing === 'old-release' && this.#isCanaryPhase) return this.#hasCompanion(member) && this.#leavesEnough(member);
    // A2: a scale-down waits for the end of a rollout, unless it takes what the rollout takes anyway.
    if (outgoing === 'excess') return !(this.#pace.isRolling && this.#isOfTarget(member)) && this.#leavesEnough(member);
    if (outgoing === 'duplicate') return this.#leavesEnough(member);
    if (current?.isHealthy === true) return !member.isReady || this.#leavesEnough(member);
    // R8: a deploy superseded half-way left two old instances in one slot; the older one is enough to wait with.
    if (this.#hasCompanion(member)) return this.#leavesEnough(member);
    // Stop first: only where no successor was started, within maxParallel, and only as many as may be missing.
    if (current !== undefined || this.#pace.maxUnavailable === 0 || this.#inTransit >= this.#pace.maxParallel) return false;
    return this.#leavesEnough(member);
  }

  /** R2: ready(old) + ready(new) − about to stop ≥ N − maxUnavailable; for one that is not ready the same of those that run. */
  #leavesEnough(member: Member): boolean {
    if (member.isBroken) return true;
    const atLeast = this.#pace.count - this.#pace.maxUnavailable;
    return member.isReady ? this.#ready - 1 >= atLeast : this.#live - 1 >= atLeast;
  }

  #hasCompanion({ slot, facts: { instance } }: Member): boolean {
    return this.#members.some(
      (other) => other.slot === slot && other.facts.instance.id !== instance.id && isLive(other) && !this.#draft.isLeaving(other.facts.instance.id),
    );
  }

  #isOfTarget(member: Member): boolean {
    return member.facts.instance.release === this.#pace.templateFor(1)?.release;
  }
}

const WAITING = {
  'old-release': 'is of an older release',
  restart: 'is to be restarted',
  'failed-release': 'is of a failed release',
  excess: 'is more than the count wanted',
  'node-draining': 'is on a draining node',
  'node-lost': 'is on a lost node',
  'gave-up': 'was given up',
  duplicate: 'runs twice',
  removed: 'is to go',
} as const satisfies Record<Outgoing, string>;

function reasonOf({ name, facts: { instance } }: Member, outgoing: Outgoing): string {
  switch (outgoing) {
    case 'old-release':
      return `${name} of release ${instance.release} is replaced`;
    case 'restart':
      return `${name} is restarted`;
    case 'failed-release':
      return `release ${instance.release} failed`;
    case 'excess':
      return `${name} is more than the count wanted`;
    case 'node-draining':
      return `${instance.node} is draining`;
    case 'node-lost':
      return `${instance.node} was lost and ${name} runs elsewhere`;
    case 'gave-up':
      return `${instance.node} gave ${name} up`;
    case 'duplicate':
      return `${name} runs twice`;
    case 'removed':
      return 'the service was removed';
  }
}
