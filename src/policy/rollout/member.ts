import { instanceName } from '#model/instance';
import { later } from '#model/moment';
import type { PlanDraft } from './plan-draft.ts';
import type { InstanceFacts } from './service-snapshot.ts';
import { isOfEarlierGeneration, restartReasons, type Template } from './template.ts';

/** An instance with intent `run`, judged against what its slot should hold. */
export interface Member {
  readonly facts: InstanceFacts;
  readonly slot: number;
  /** `web.2`. */
  readonly name: string;
  /** Undefined: it is what its slot should hold. */
  readonly outgoing: Outgoing | undefined;
  readonly isReady: boolean;
  /** Ready without a break for `minHealthy` (H5). */
  readonly isHealthy: boolean;
  /** It serves nobody and will not soon: stopping it takes nothing away. */
  readonly isBroken: boolean;
}

/** Why an instance has to go. */
export type Outgoing = 'old-release' | 'restart' | 'failed-release' | 'excess' | 'node-draining' | 'node-lost' | 'gave-up' | 'duplicate' | 'removed';

/** The template a slot should hold; `undefined`: nothing new is started there. */
export type TemplateBySlot = (slot: number) => Template | undefined;

export interface Wanted {
  readonly count: number;
  readonly minHealthyMs: number;
  readonly templateFor: TemplateBySlot;
  /** Why a slot without a template is to be left: the whole service goes, or its release failed. */
  readonly without: 'removed' | 'failed-release';
  /** Releases whose every instance was healthy: their instances get the benefit of the doubt. */
  readonly stableReleases: ReadonlySet<number>;
  /** True once the agent has given it up and the delay before the next try elsewhere is over. */
  readonly isGivenUp: (facts: InstanceFacts) => boolean;
}

/** Every instance with intent `run`, by slot and serial. At most one per slot is not outgoing. */
export function membersOf(instances: readonly InstanceFacts[], wanted: Wanted, draft: PlanDraft): readonly Member[] {
  const members = instances.filter((facts) => facts.instance.intent.kind === 'run').map((facts) => judge(facts, wanted, draft));
  const kept = new Set(currentOnly(members));
  return members.map((member) => (member.outgoing === undefined && !kept.has(member) ? { ...member, outgoing: 'duplicate' as const } : member));
}

/** The instance that is what slot should hold, if there is one. */
export function currentOf(members: readonly Member[], slot: number): Member | undefined {
  return members.find((member) => member.slot === slot && member.outgoing === undefined);
}

function judge(facts: InstanceFacts, wanted: Wanted, draft: PlanDraft): Member {
  const { instance, status, readiness, observation } = facts;
  const isReady = readiness.ready;
  const isHealthy = isReady && observation.readySince !== undefined && draft.isDue(later(observation.readySince, wanted.minHealthyMs));
  const isRunning = status?.phase === 'running' && facts.host.kind !== 'lost';
  // An instance of a release that never worked and that no gateway ever saw passing serves nobody, however long it runs (R8).
  const neverServed = !observation.wasReady && !wanted.stableReleases.has(instance.release);
  return {
    facts,
    slot: instance.slot,
    name: instanceName(instance),
    outgoing: outgoingOf(facts, wanted),
    isReady,
    isHealthy,
    isBroken: facts.host.kind === 'gone' || (!isReady && (!isRunning || neverServed)),
  };
}

function outgoingOf(facts: InstanceFacts, wanted: Wanted): Outgoing | undefined {
  const { instance, host } = facts;
  if (wanted.without === 'removed') return 'removed';
  if (instance.slot > wanted.count) return 'excess';
  const template = wanted.templateFor(instance.slot);
  if (template === undefined) return wanted.without;
  if (restartReasons(instance, template).length > 0) return 'old-release';
  if (isOfEarlierGeneration(instance, template)) return 'restart';
  if (host.kind === 'lost' || host.kind === 'gone') return 'node-lost';
  if (wanted.isGivenUp(facts)) return 'gave-up';
  return host.kind === 'draining' ? 'node-draining' : undefined;
}

/** N7, D3: of two that fit one slot the ready one stays, the older if both are: a node that came back does not restart what runs. */
function currentOnly(members: readonly Member[]): readonly Member[] {
  const bestBySlot = new Map<number, Member>();
  for (const member of members) {
    if (member.outgoing !== undefined) continue;
    const best = bestBySlot.get(member.slot);
    if (best === undefined || (member.isReady && !best.isReady)) bestBySlot.set(member.slot, member);
  }
  return [...bestBySlot.values()];
}
