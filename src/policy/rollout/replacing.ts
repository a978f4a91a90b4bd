import type { Name } from '#base/name';
import type { ServiceState } from '#model/app';
import { explainRefusal, place } from '../placement/place.ts';
import type { Assigned, PlacementNode } from '../placement/request.ts';
import { currentOf, type Member, type Outgoing, type TemplateBySlot } from './member.ts';
import type { PlanDraft } from './plan-draft.ts';
import { type TierRequest, tierOfNew } from './tiers.ts';

/** What placing and draining may do. */
export interface Pace {
  readonly app: Name;
  readonly service: Name;
  readonly count: number;
  readonly maxParallel: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  /** R7: new instances that come on top and must be healthy before the first old one goes; 0 = none. */
  readonly canary: number;
  readonly isRolling: boolean;
  readonly templateFor: TemplateBySlot;
  readonly tiers: TierRequest;
  readonly nodes: readonly PlacementNode[];
  readonly state: ServiceState;
}

/** What came of it. */
export interface Replacing {
  readonly nextSerial: number;
  /** A slot that should be filled was refused by every node. */
  readonly isUnplaced: boolean;
  /** The refusal is lasting for some slot: waiting cannot help (R5). */
  readonly lastingRefusal: string | undefined;
}

/** Fills slots and takes out what is outgoing, in that order, within the limits of the update. */
export function planReplacing(members: readonly Member[], pace: Pace, draft: PlanDraft): Replacing {
  const serving = new Serving(members, pace, draft);
  const placing = new Placing(pace, members, draft);
  const missing = slotOrder(pace).filter((slot) => currentOf(members, slot) === undefined && pace.templateFor(slot) !== undefined);
  const replacedIn = (slot: number): readonly Member[] => members.filter((member) => member.slot === slot && isLive(member));
  // Empty slots first: what follows may then only use what they left of the surge.
  for (const slot of missing) if (replacedIn(slot).length === 0 && serving.mayFillEmpty()) placing.fill(slot, serving);
  for (const slot of missing) {
    const replaced = replacedIn(slot);
    if (replaced.length > 0 && serving.mayAddFor(replaced)) placing.fill(slot, serving);
  }
  for (const member of inOrderOfHarm(members)) serving.drainIfAllowed(member);
  return placing.outcome();
}

/** An instance to be replaced that still does its work: its successor comes first, and counts as surge. */
function isLive(member: Member): boolean {
  return member.outgoing !== undefined && !member.isBroken && member.outgoing !== 'node-lost' && member.outgoing !== 'gave-up';
}

/** The active one last, so that a failover during the update finds a standby of either release. */
function slotOrder({ count, tiers }: Pace): readonly number[] {
  const slots = Array.from({ length: count }, (_, index) => index + 1);
  if (tiers.mode === 'balanced') return slots;
  const activeSlot = tiers.activeSlot ?? 1;
  return [...slots.filter((slot) => slot !== activeSlot), ...slots.filter((slot) => slot === activeSlot)];
}

/** R8: what is broken goes first, then what is not ready, highest slot and then youngest first among equals. */
function inOrderOfHarm(members: readonly Member[]): readonly Member[] {
  const rank = (member: Member): number => (member.isBroken ? 0 : member.isReady ? 2 : 1);
  return members
    .filter((member) => member.outgoing !== undefined)
    .sort((a, b) => rank(a) - rank(b) || b.slot - a.slot || b.facts.instance.serial - a.facts.instance.serial);
}

class Placing {
  readonly #pace: Pace;
  readonly #members: readonly Member[];
  readonly #draft: PlanDraft;
  #nodes: readonly PlacementNode[];
  #nextSerial: number;
  readonly #filledSlots = new Set<number>();
  #isUnplaced = false;
  #lastingRefusal: string | undefined;

  constructor(pace: Pace, members: readonly Member[], draft: PlanDraft) {
    this.#pace = pace;
    this.#members = members;
    this.#draft = draft;
    this.#nodes = pace.nodes;
    this.#nextSerial = pace.state.nextSerial;
  }

  fill(slot: number, serving: Serving): void {
    const template = this.#pace.templateFor(slot);
    if (template === undefined || this.#draft.isFull) return;
    const { app, service } = this.#pace;
    const { resources, hostPort } = template.spec;
    const assigned = { app, service, resources, ...(hostPort === undefined ? {} : { hostPort }) };
    const givenUp = this.#members.filter((member) => member.slot === slot && member.outgoing === 'gave-up');
    const avoid = new Set([...(this.#pace.state.rescheduling?.[String(slot)]?.nodes ?? []), ...givenUp.map((member) => member.facts.instance.node)]);
    const apart = template.spec.mode === 'active-standby' ? { apart: true as const } : {};
    const placement = place({ ...assigned, placement: template.spec.placement, avoid, ...apart }, this.#nodesFor(slot));
    if (!placement.placed) {
      const refusal = `${service}.${slot} finds no node: ${explainRefusal(placement.reasons)}`;
      this.#isUnplaced = true;
      if (placement.lasting) this.#lastingRefusal ??= refusal;
      this.#draft.wait(refusal);
      return;
    }
    this.#draft.add({
      kind: 'place',
      slot,
      serial: this.#nextSerial++,
      node: placement.node,
      template,
      tier: tierOfNew(this.#pace.tiers, slot, this.#members),
      reason: this.#reason(slot, template.release),
    });
    this.#nodes = this.#nodes.map((node) => (node.name === placement.node ? { ...node, assigned: [...node.assigned, assigned] } : node));
    this.#filledSlots.add(slot);
    serving.added();
  }

  outcome(): Replacing {
    return { nextSerial: this.#nextSerial, isUnplaced: this.#isUnplaced, lastingRefusal: this.#lastingRefusal };
  }

  /** The nodes as an instance of the slot should see them: whatever goes once it is there, or goes anyway, is no neighbour. */
  #nodesFor(slot: number): readonly PlacementNode[] {
    const leaving = new Set(this.#members.filter((member) => this.#leaves(member, slot)).map((member) => member.facts.instance.id));
    const marked = (assigned: Assigned): Assigned => (assigned.id !== undefined && leaving.has(assigned.id) ? { ...assigned, leaves: true } : assigned);
    return this.#nodes.map((node) => ({ ...node, assigned: node.assigned.map(marked) }));
  }

  #leaves(member: Member, slot: number): boolean {
    if (this.#draft.isLeaving(member.facts.instance.id)) return true;
    if (member.outgoing === undefined) return false;
    const isSucceeded = member.slot === slot || this.#filledSlots.has(member.slot) || currentOf(this.#members, member.slot) !== undefined;
    return isSucceeded || this.#pace.templateFor(member.slot) === undefined || member.slot > this.#pace.count;
  }

  #reason(slot: number, release: number): string {
    const replaced = this.#members.find((member) => member.slot === slot && member.outgoing !== undefined && TOLD.has(member.outgoing));
    switch (replaced?.outgoing) {
      case 'node-lost':
        return `replaces ${replaced.name} of lost node ${replaced.facts.instance.node}`;
      case 'gave-up':
        return `replaces ${replaced.name}, which ${replaced.facts.instance.node} gave up`;
      case 'node-draining':
        return `replaces ${replaced.name} of ${replaced.facts.instance.node}, which is draining`;
      case 'restart':
        return `replaces ${replaced.name}, which is restarted`;
      default:
        return `release ${release}`;
    }
  }
}

/** Keeps count of what serves while a plan adds and takes away: the one place that answers "may this one go?". */
class Serving {
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
    this.#inTransit = slotOrder(pace).filter((slot) => {
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

/** Why an instance is replaced, where the release does not say it. */
const TOLD: ReadonlySet<Outgoing> = new Set(['node-lost', 'gave-up', 'node-draining', 'restart']);

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
