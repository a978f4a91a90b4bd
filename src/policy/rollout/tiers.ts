import type { Tier } from '#model/instance';
import type { Member } from './member.ts';
import type { PlanDraft } from './plan-draft.ts';

/** What active/standby has to go by. */
export interface TierRequest {
  readonly mode: 'balanced' | 'active-standby';
  readonly count: number;
  readonly activeSlot: number | undefined;
  /** The slot the user asked for with `switch`. */
  readonly requestedSlot: number | undefined;
}

/** Sets who is primary and who stands by; resolves to the active slot, undefined when nothing is active. Never fails back by itself (N12). */
export function planTiers(request: TierRequest, members: readonly Member[], draft: PlanDraft): number | undefined {
  const staying = members.filter((member) => !draft.isLeaving(member.facts.instance.id));
  if (request.mode === 'balanced') {
    for (const member of staying) setTier(member, 'primary', 'the service is balanced over all instances', draft);
    return undefined;
  }
  const choice = requested(request, staying, draft) ?? active(request, staying);
  if (choice === undefined) return request.activeSlot;
  for (const member of staying) setTier(member, member === choice.member ? 'primary' : 'backup', choice.reason, draft);
  return choice.member.slot;
}

/** The tier of an instance that is about to be placed: primary only where nobody is. */
export function tierOfNew(request: TierRequest, slot: number, members: readonly Member[]): Tier {
  if (request.mode === 'balanced') return 'primary';
  const hasPrimary = members.some((member) => member.facts.instance.tier === 'primary');
  return !hasPrimary && slot === (request.activeSlot ?? 1) ? 'primary' : 'backup';
}

interface Choice {
  readonly member: Member;
  readonly reason: string;
}

function requested(request: TierRequest, staying: readonly Member[], draft: PlanDraft): Choice | undefined {
  const slot = request.requestedSlot;
  if (slot === undefined) return undefined;
  if (slot === request.activeSlot || slot < 1 || slot > request.count) {
    draft.add({ kind: 'clear-switch', reason: slot === request.activeSlot ? `slot ${slot} is active already` : `there is no slot ${slot}` });
    return undefined;
  }
  const member = best(staying.filter((each) => each.slot === slot && each.isReady));
  if (member === undefined) {
    draft.wait(`the switch to slot ${slot} waits until its instance is ready`);
    return undefined;
  }
  const reason = `switched to ${member.name}`;
  draft.add({ kind: 'clear-switch', reason });
  return { member, reason };
}

function active(request: TierRequest, staying: readonly Member[]): Choice | undefined {
  const primaries = staying.filter((member) => member.facts.instance.tier === 'primary');
  const now = best(primaries);
  const ready = staying.filter((member) => member.isReady);
  // Gateways moved to the standby the moment the active one failed; what follows makes that permanent.
  const isLost = now === undefined || (now.isBroken && !isFirstStart(now)) || now.facts.host.kind === 'lost' || now.facts.readiness.failingEverywhere;
  if (!isLost || ready.length === 0) return now === undefined ? firstOf(request, staying) : { member: now, reason: `${now.name} is active` };
  const next = best(ready.filter((member) => member.slot === request.activeSlot && member !== now)) ?? best(ready);
  if (next === undefined || next === now) return now === undefined ? undefined : { member: now, reason: `${now.name} is active` };
  return { member: next, reason: now === undefined ? `${next.name} takes over` : `${next.name} takes over, because ${now.name} does not serve` };
}

/** Nobody was active yet: the one that is to be is given its time, while the gateways send requests to the standby if that is ready first. */
function isFirstStart({ facts: { host, status, observation } }: Member): boolean {
  const isOnItsWay = status === undefined || ['fetching', 'installing', 'starting', 'running'].includes(status.phase);
  return isOnItsWay && (status?.attempt ?? 0) <= 1 && !observation.wasReady && host.kind !== 'gone';
}

function firstOf(request: TierRequest, staying: readonly Member[]): Choice | undefined {
  const member = best(staying.filter((each) => each.slot === (request.activeSlot ?? 1))) ?? best(staying);
  return member === undefined ? undefined : { member, reason: `${member.name} is active` };
}

/** Ready before not ready, of the wanted release before outgoing, then as they come: by slot and serial. */
function best(members: readonly Member[]): Member | undefined {
  const rank = (member: Member): number => (member.isReady ? 0 : 2) + (member.outgoing === undefined ? 0 : 1);
  return members.reduce<Member | undefined>((chosen, next) => (chosen === undefined || rank(next) < rank(chosen) ? next : chosen), undefined);
}

function setTier(member: Member, tier: Tier, reason: string, draft: PlanDraft): void {
  const { id } = member.facts.instance;
  if (member.facts.instance.tier !== tier) draft.add({ kind: 'set-tier', id, tier, reason });
}
