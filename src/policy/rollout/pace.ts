import type { Name } from '#base/name';
import type { ServiceState } from '#model/app';
import type { PlacementNode } from '../placement/request.ts';
import type { Member, TemplateBySlot } from './member.ts';
import type { TierRequest } from './tiers.ts';

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

/** An instance to be replaced that still does its work: its successor comes first, and counts as surge. */
export function isLive(member: Member): boolean {
  return member.outgoing !== undefined && !member.isBroken && member.outgoing !== 'node-lost' && member.outgoing !== 'gave-up';
}

/** Slots in the order in which they are filled: the active one last, so that a failover during the update finds a standby of either release. */
export function slotOrder({ count, mode, activeSlot = 1 }: Pick<TierRequest, 'count' | 'mode' | 'activeSlot'>): readonly number[] {
  const slots = Array.from({ length: count }, (_, index) => index + 1);
  if (mode === 'balanced') return slots;
  return [...slots.filter((slot) => slot !== activeSlot), ...slots.filter((slot) => slot === activeSlot)];
}
