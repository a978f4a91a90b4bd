import { type FailureCause, generationOf, type Release, type Rollout, type ServiceState } from '#model/app';
import { instanceName } from '#model/instance';
import { later, type Moment } from '#model/moment';
import type { Rescheduling } from '#model/rescheduling';
import type { ServiceSpec } from '#model/spec';
import type { RolloutAction } from './action.ts';
import { failureOf, noProgress } from './failure.ts';
import { currentOf, type Member, membersOf, type TemplateBySlot, type Wanted } from './member.ts';
import type { Pace } from './pace.ts';
import { PlanDraft } from './plan-draft.ts';
import { planReplacing } from './replacing.ts';
import { forgetHealthy, isGivenUp, rescheduleAt, rescheduled } from './rescheduling.ts';
import type { InstanceFacts, ServiceSnapshot } from './service-snapshot.ts';
import { planStopping } from './stopping.ts';
import { isSameTemplate, restartReasons, type Template, templateOf } from './template.ts';
import { planTiers } from './tiers.ts';

/** What to do about one service now. */
export interface ServicePlan {
  readonly actions: readonly RolloutAction[];
  /** The state to write with the actions, equal to the snapshot's if nothing is new. */
  readonly state: ServiceState;
  /** When to plan again though nothing changed: the next deadline. */
  readonly wakeAt?: Moment;
}

/** Decides, from what is, the next steps towards what is wanted. Level-triggered: it remembers nothing but what the snapshot carries. */
export function planService(snapshot: ServiceSnapshot, now: Moment): ServicePlan {
  const draft = new PlanDraft(now);
  planStopping(snapshot.instances, draft);
  const goal = goalOf(snapshot);
  if (goal.kind === 'absent') return planAbsence(snapshot, draft);
  const state = begun(snapshot, goal.release, now);
  // The rollout is on record before its first step, so that its deadline survives a change of leader (R4).
  if (state !== snapshot.state) return finished(draft, state);
  return planPresence(snapshot, { ...goal, state }, draft);
}

type Goal =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'present';
      /** The release the user wants. */
      readonly release: Release;
      /** The service of the release that is to run: after a failure the one before. */
      readonly template: Template;
    };

function goalOf({ app, service, releases, state, ports }: ServiceSnapshot): Goal {
  const release = releases.get(app.release);
  if (app.removing || release === undefined) return { kind: 'absent' };
  const { rollout } = state;
  const isReverted = rollout.phase === 'failed' && rollout.release === app.release && rollout.revertTo !== undefined;
  const running = isReverted ? releases.get(rollout.revertTo) : release;
  const template = running === undefined ? undefined : templateOf(running, service, ports);
  return template === undefined ? { kind: 'absent' } : { kind: 'present', release, template };
}

function planAbsence(snapshot: ServiceSnapshot, draft: PlanDraft): ServicePlan {
  for (const { instance } of snapshot.instances) {
    if (instance.intent.kind !== 'run' || draft.isFull || draft.isLeaving(instance.id)) continue;
    const reason = snapshot.app.removing ? `app ${instance.app} is removed` : `release ${snapshot.app.release} has no service ${instance.service}`;
    draft.add({ kind: 'drain', id: instance.id, reason, byUser: true });
  }
  for (const { instance, host } of snapshot.instances) {
    draft.wait(
      `${instanceName(instance)} is being stopped on ${instance.node}${host.kind === 'lost' ? ', which is lost: it counts as stopped when the node returns or is removed' : ''}`,
    );
  }
  if (snapshot.instances.length === 0) draft.add({ kind: 'forget' });
  return finished(draft, { ...snapshot.state, pending: draft.pending });
}

/** The state with a rollout towards the wanted release, if none is on record. */
function begun({ state, releases, service, ports }: ServiceSnapshot, release: Release, now: Moment): ServiceState {
  if (state.rollout.release === release.number) return state;
  const from = revertTarget(release, [...releases.values()], (each) => templateOf(each, service, ports));
  const rollout: Rollout = { phase: 'rolling', release: release.number, from, startedAt: now, progressAt: now, healthy: 0 };
  const { rescheduling: _forgotten, ...rest } = state;
  return { ...rest, rollout };
}

/** R6: the last release whose every instance was healthy, if going back to it would change anything. */
function revertTarget(release: Release, releases: readonly Release[], template: (release: Release) => Template | undefined): number | undefined {
  // A release that was reverted to is already marked, and is never reverted itself: at most one automatic revert per deploy.
  if (release.outcome.kind !== 'rolling') return undefined;
  const target = releases
    .filter((each) => each.number !== release.number && each.outcome.kind === 'stable')
    .sort((a, b) => b.number - a.number)
    .find((each) => template(each) !== undefined);
  const [before, after] = [target && template(target), template(release)];
  return target === undefined || before === undefined || after === undefined || isSameTemplate(before, after) ? undefined : target.number;
}

interface Presence {
  readonly release: Release;
  readonly template: Template;
  readonly state: ServiceState;
}

function planPresence(snapshot: ServiceSnapshot, { release, template, state }: Presence, draft: PlanDraft): ServicePlan {
  const { app, service } = snapshot;
  const { rollout } = state;
  const { spec } = template;
  const count = app.counts[service] ?? spec.count;
  const isHeld = rollout.phase === 'failed' && rollout.revertTo === undefined;
  const templateOfSlot: TemplateBySlot = isHeld ? heldTemplates(snapshot, rollout.release) : () => template;
  const templateFor: TemplateBySlot = (slot) => ofGeneration(templateOfSlot(slot), generationOf(app, service, slot));
  const stableReleases = new Set([...snapshot.releases.values()].filter((each) => each.outcome.kind === 'stable').map((each) => each.number));
  const wanted: Wanted = {
    count,
    minHealthyMs: spec.update.minHealthyMs,
    templateFor,
    without: 'failed-release',
    stableReleases,
    isGivenUp: (facts) => !mayFailRollout(facts, rollout) && isGivenUp(facts, state, draft),
  };
  const members = membersOf(snapshot.instances, wanted, draft);
  adoptUnchanged(members, templateFor, draft);
  const tiers = { mode: spec.mode, count, activeSlot: state.activeSlot, requestedSlot: app.activeSlots[service] };
  const replacing = planReplacing(
    members,
    { app: app.name, service, count, ...paceOf(spec), isRolling: rollout.phase === 'rolling', templateFor, tiers, nodes: snapshot.nodes, state },
    draft,
  );
  const activeSlot = planTiers(tiers, members, draft);
  explain(members, state, draft);
  if (isHeld) draft.wait(`release ${rollout.release} failed: ${rollout.cause.message}`);

  const next: ServiceState = {
    ...state,
    nextSerial: replacing.nextSerial,
    ...(activeSlot === undefined ? {} : { activeSlot }),
    ...reschedulingOf(state, members, spec, draft),
    pending: draft.pending,
  };
  if (rollout.phase !== 'rolling') return finished(draft, next);
  const progress = progressed(rollout, members, draft.now);
  const cause = failureCause(members, { rollout: progress, spec, ...replacing }, draft);
  if (cause !== undefined) return failed(snapshot, { release, rollout, cause, state }, draft.now);
  if (!isComplete(members, { count, release: rollout.release })) return finished(draft, { ...next, rollout: progress });
  draft.add({ kind: 'succeed', release: rollout.release, message: `release ${rollout.release} runs: ${count} healthy` });
  return finished(draft, { ...next, rollout: { phase: 'idle', release: rollout.release } });
}

function ofGeneration(template: Template | undefined, generation: number): Template | undefined {
  return template === undefined || generation === (template.generation ?? 0) ? template : { ...template, generation };
}

function paceOf({ update }: ServiceSpec): Pick<Pace, 'maxParallel' | 'maxSurge' | 'maxUnavailable' | 'canary'> {
  const { maxParallel, maxSurge, maxUnavailable, canary } = update;
  return { maxParallel: Math.max(1, maxParallel), maxSurge, maxUnavailable, canary };
}

/**
 * After a failure without a release to go back to: an instance of an older release stays what it is, one of the failed release stays if
 * it took over its slot and works; nothing else is started. When the failed release was the first, all of it is stopped.
 */
function heldTemplates({ instances, releases }: ServiceSnapshot, failedRelease: number): TemplateBySlot {
  const running = instances.filter(({ instance }) => instance.intent.kind === 'run');
  const isFirst =
    [...releases.values()].every((release) => release.outcome.kind !== 'stable') && running.every(({ instance }) => instance.release === failedRelease);
  return (slot) => {
    const inSlot = running.filter(({ instance }) => instance.slot === slot);
    const older = inSlot.find(({ instance }) => instance.release !== failedRelease);
    if (older !== undefined) return older.instance;
    return isFirst ? undefined : inSlot.find(({ observation, readiness }) => readiness.ready || observation.wasHealthy)?.instance;
  };
}

function adoptUnchanged(members: readonly Member[], templateFor: TemplateBySlot, draft: PlanDraft): void {
  for (const { facts, slot } of members) {
    const template = templateFor(slot);
    if (template === undefined || template === facts.instance || draft.isFull) continue;
    const isSame = template.release === facts.instance.release && isSameTemplate(facts.instance, template);
    if (!isSame && restartReasons(facts.instance, template).length === 0) draft.add({ kind: 'adopt', id: facts.instance.id, template });
  }
}

/** Only what the rollout started can fail it: an instance that was there before is rescheduled as at any other time. */
function mayFailRollout({ instance }: InstanceFacts, rollout: Rollout): boolean {
  return rollout.phase === 'rolling' && instance.createdAt >= rollout.startedAt;
}

function progressed(rollout: Rollout & { phase: 'rolling' }, members: readonly Member[], now: Moment): Rollout & { phase: 'rolling' } {
  const healthy = members.filter((member) => member.outgoing === undefined && member.isHealthy).length;
  return healthy > rollout.healthy ? { ...rollout, healthy, progressAt: now } : rollout;
}

interface Attempt {
  readonly rollout: Rollout & { phase: 'rolling' };
  readonly spec: ServiceSpec;
  readonly isUnplaced: boolean;
  readonly lastingRefusal: string | undefined;
}

function failureCause(members: readonly Member[], { rollout, spec, isUnplaced, lastingRefusal }: Attempt, draft: PlanDraft): FailureCause | undefined {
  if (lastingRefusal !== undefined) return { code: 'not-placed', message: lastingRefusal };
  for (const member of members) {
    if (member.outgoing !== undefined || !mayFailRollout(member.facts, rollout)) continue;
    const cause = failureOf(member, spec, draft);
    if (cause !== undefined) return cause;
  }
  if (!draft.isDue(later(rollout.progressAt, spec.update.progressDeadlineMs))) return undefined;
  return noProgress(spec, draft.pending, isUnplaced);
}

interface Failure {
  readonly release: Release;
  readonly rollout: Rollout & { phase: 'rolling' };
  readonly cause: FailureCause;
  readonly state: ServiceState;
}

/** Only the verdict: the steps it asks for follow in the next pass, from what is on record then. */
function failed({ releases }: ServiceSnapshot, { release, rollout, cause, state }: Failure, now: Moment): ServicePlan {
  const { autoRevert } = release.spec.services[state.service]?.update ?? { autoRevert: false };
  const revertTo = autoRevert && rollout.from !== undefined && releases.has(rollout.from) ? rollout.from : undefined;
  const target = revertTo === undefined ? {} : { revertTo };
  const pending = [`release ${rollout.release} failed: ${cause.message}`];
  return {
    actions: [{ kind: 'fail', release: rollout.release, cause, ...target, scope: release.spec.revertScope }],
    state: { ...state, rollout: { phase: 'failed', release: rollout.release, ...target, cause, at: now }, pending },
  };
}

function isComplete(members: readonly Member[], { count, release }: { readonly count: number; readonly release: number }): boolean {
  const slots = Array.from({ length: count }, (_, index) => index + 1);
  // A2: what a scale-down leaves of this release waits for the rollout's end, so the end cannot wait for it.
  const mayStay = ({ outgoing, facts }: Member): boolean =>
    outgoing === undefined || outgoing === 'node-lost' || (outgoing === 'excess' && facts.instance.release === release);
  return slots.every((slot) => currentOf(members, slot)?.isHealthy === true) && members.every(mayStay);
}

function explain(members: readonly Member[], state: ServiceState, draft: PlanDraft): void {
  for (const member of members) {
    if (member.outgoing !== undefined || member.isReady) continue;
    const { instance, status, readiness } = member.facts;
    if (status?.phase === 'failed')
      draft.wait(`${member.name} was given up by ${instance.node}: ${status.reason}; next try elsewhere ${describe(rescheduleAt(member.facts, state))}`);
    else if (status?.phase === 'running') draft.wait(`${member.name} runs but is not ready: ${readiness.reason ?? 'no gateway has seen it passing yet'}`);
    else draft.wait(`${member.name} on ${instance.node} is ${status === undefined ? 'waiting for its agent' : status.phase}`);
  }
}

function describe(at: Moment | undefined): string {
  return at === undefined ? 'soon' : `at ${new Date(at).toISOString()}`;
}

function reschedulingOf(
  state: ServiceState,
  members: readonly Member[],
  spec: ServiceSpec,
  draft: PlanDraft,
): { readonly rescheduling?: Readonly<Record<string, Rescheduling>> } {
  const before = state.rescheduling ?? {};
  const after = forgetHealthy(rescheduled(before, members, draft), members, { resetAfterMs: spec.restart.resetAfterMs, draft });
  return Object.keys(after).length === 0 && state.rescheduling === undefined ? {} : { rescheduling: after };
}

function finished(draft: PlanDraft, state: ServiceState): ServicePlan {
  return { actions: draft.actions, state, ...(draft.wakeAt === undefined ? {} : { wakeAt: draft.wakeAt }) };
}
