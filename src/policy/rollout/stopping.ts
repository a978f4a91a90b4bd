import { instanceName } from '#model/instance';
import { later, type Moment } from '#model/moment';
import type { PlanDraft } from './plan-draft.ts';
import type { InstanceFacts } from './service-snapshot.ts';

/** Brings instances that were told to go one step further: drained → stopped → deleted (S1). No `stop` before every live gateway acknowledged. */
export function planStopping(instances: readonly InstanceFacts[], draft: PlanDraft): void {
  for (const facts of instances) {
    if (draft.isFull) return;
    switch (facts.instance.intent.kind) {
      case 'run':
        leaveByDeadline(facts, draft);
        break;
      case 'drain':
        finishDrain(facts, facts.instance.intent.since, draft);
        break;
      case 'stop':
        finishStop(facts, draft);
        break;
    }
  }
}

/** D2: the deadline of a node's drain binds everything, so what it takes to end well begins early enough before it. */
function leaveByDeadline({ instance, host }: InstanceFacts, draft: PlanDraft): void {
  if (host.kind !== 'draining') return;
  const { unrouteTimeoutMs, drainTimeoutMs } = instance.spec.stop;
  const stopAt = forcedStopAt(instance.spec.stop.killTimeoutMs, host.deadline);
  const reason = `the drain of ${instance.node} reached its deadline before a replacement was healthy`;
  if (draft.isDue(stopAt)) draft.add({ kind: 'stop', id: instance.id, reason, forced: true });
  else if (draft.isDue(later(stopAt, -unrouteTimeoutMs - drainTimeoutMs))) draft.add({ kind: 'drain', id: instance.id, reason, byUser: true });
}

function finishDrain(facts: InstanceFacts, since: Moment, draft: PlanDraft): void {
  const reason = drainedReason(facts, since, draft);
  if (reason !== undefined) draft.add({ kind: 'stop', id: facts.instance.id, ...reason });
}

/** Why a drained instance may be stopped now; undefined while it must wait. */
function drainedReason(facts: InstanceFacts, since: Moment, draft: PlanDraft): { readonly reason: string; readonly forced: boolean } | undefined {
  const { instance, host, readiness, observation } = facts;
  const { unrouteTimeoutMs, drainTimeoutMs, killTimeoutMs } = instance.spec.stop;
  if (host.kind === 'draining' && draft.isDue(forcedStopAt(killTimeoutMs, host.deadline))) {
    return { reason: `the drain of ${instance.node} reached its deadline`, forced: true };
  }
  if (!readiness.unrouted) {
    if (draft.isDue(later(since, unrouteTimeoutMs))) {
      draft.wait(`${instanceName(instance)} is not stopped before every live gateway has acknowledged that it gets no more requests`);
    }
    return undefined;
  }
  const reason = instance.intent.kind === 'run' ? instance.reason : instance.intent.reason;
  if (readiness.inFlight === 0) return { reason, forced: false };
  if (!draft.isDue(later(observation.unroutedAt ?? draft.now, drainTimeoutMs))) return undefined;
  return { reason: `${reason}; ${readiness.inFlight} ${readiness.inFlight === 1 ? 'request' : 'requests'} did not end in time`, forced: false };
}

function finishStop({ instance, status, host }: InstanceFacts, draft: PlanDraft): void {
  // D3: only the agent's word that nothing is left counts, or that the machine itself is gone.
  if (status?.phase === 'stopped' || host.kind === 'gone') draft.add({ kind: 'delete', id: instance.id });
}

function forcedStopAt(killTimeoutMs: number, deadline: Moment): Moment {
  return later(deadline, -killTimeoutMs);
}
