import { explainRefusal, place } from '../placement/place.ts';
import type { Assigned, PlacementNode } from '../placement/request.ts';
import { currentOf, type Member, type Outgoing } from './member.ts';
import type { Pace } from './pace.ts';
import type { PlanDraft } from './plan-draft.ts';
import type { Serving } from './serving.ts';
import { tierOfNew } from './tiers.ts';

/** What came of it. */
export interface Replacing {
  readonly nextSerial: number;
  /** A slot that should be filled was refused by every node. */
  readonly isUnplaced: boolean;
  /** The refusal is lasting for some slot: waiting cannot help (R5). */
  readonly lastingRefusal: string | undefined;
}

/** Fills slots, each placement seeing those before it. */
export class Placing {
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

/** Why an instance is replaced, where the release does not say it. */
const TOLD: ReadonlySet<Outgoing> = new Set(['node-lost', 'gave-up', 'node-draining', 'restart']);
