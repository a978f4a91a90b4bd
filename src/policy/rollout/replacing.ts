import { currentOf, type Member } from './member.ts';
import { isLive, type Pace, slotOrder } from './pace.ts';
import { Placing, type Replacing } from './placing.ts';
import type { PlanDraft } from './plan-draft.ts';
import { Serving } from './serving.ts';

/** Fills slots and takes out what is outgoing, in that order, within the limits of the update. */
export function planReplacing(members: readonly Member[], pace: Pace, draft: PlanDraft): Replacing {
  const serving = new Serving(members, pace, draft);
  const placing = new Placing(pace, members, draft);
  const missing = slotOrder(pace.tiers).filter((slot) => currentOf(members, slot) === undefined && pace.templateFor(slot) !== undefined);
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

/** R8: what is broken goes first, then what is not ready, highest slot and then youngest first among equals. */
function inOrderOfHarm(members: readonly Member[]): readonly Member[] {
  const rank = (member: Member): number => (member.isBroken ? 0 : member.isReady ? 2 : 1);
  return members
    .filter((member) => member.outgoing !== undefined)
    .sort((a, b) => rank(a) - rank(b) || b.slot - a.slot || b.facts.instance.serial - a.facts.instance.serial);
}
