import type { ServiceState } from '#model/app';
import { later, type Moment } from '#model/moment';
import type { Rescheduling } from '#model/rescheduling';
import type { Member } from './member.ts';
import type { PlanDraft } from './plan-draft.ts';
import type { InstanceFacts } from './service-snapshot.ts';

/** B1: before the first try on another node, doubled with each further one up to the cap. */
export const RESCHEDULE_DELAY_MS = 30_000;
export const RESCHEDULE_DELAY_CAP_MS = 600_000;
/** Nodes remembered as bad for a slot. */
const MAX_AVOIDED_NODES = 5;

type BySlot = Readonly<Record<string, Rescheduling>>;

/** When an instance its agent gave up is tried on another node; undefined while nobody saw it given up. */
export function rescheduleAt({ instance, observation }: InstanceFacts, state: ServiceState): Moment | undefined {
  if (observation.failedAt === undefined) return undefined;
  const tries = state.rescheduling?.[String(instance.slot)]?.count ?? 0;
  return later(observation.failedAt, Math.min(RESCHEDULE_DELAY_CAP_MS, RESCHEDULE_DELAY_MS * 2 ** Math.min(tries, 10)));
}

/** True once the agent has given the instance up and the delay is over. */
export function isGivenUp(facts: InstanceFacts, state: ServiceState, draft: PlanDraft): boolean {
  const at = facts.status?.phase === 'failed' ? rescheduleAt(facts, state) : undefined;
  return at !== undefined && draft.isDue(at);
}

/** The record with one more try for each slot whose instance this plan takes away because it was given up. */
export function rescheduled(before: BySlot, members: readonly Member[], draft: PlanDraft): BySlot {
  const record = { ...before };
  for (const { slot, outgoing, facts } of members) {
    if (outgoing !== 'gave-up' || !draft.isLeaving(facts.instance.id)) continue;
    const known = record[String(slot)] ?? { count: 0, nodes: [] };
    const nodes = [...known.nodes.filter((node) => node !== facts.instance.node), facts.instance.node].slice(-MAX_AVOIDED_NODES);
    record[String(slot)] = { count: known.count + 1, at: draft.now, nodes };
  }
  return record;
}

/** B2: the record without slots that have been healthy for long enough. */
export function forgetHealthy(
  record: BySlot,
  members: readonly Member[],
  { resetAfterMs, draft }: { readonly resetAfterMs: number; readonly draft: PlanDraft },
): BySlot {
  return Object.fromEntries(
    Object.entries(record).filter(([slot]) => {
      const current = members.find((member) => member.slot === Number(slot) && member.outgoing === undefined);
      const readySince = current?.facts.observation.readySince;
      return readySince === undefined || !draft.isDue(later(readySince, resetAfterMs));
    }),
  );
}
