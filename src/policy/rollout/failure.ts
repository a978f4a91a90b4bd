import { formatDuration } from '#base/duration';
import type { FailureCause } from '#model/app';
import type { InstanceStatus } from '#model/instance';
import { later } from '#model/moment';
import type { ServiceSpec } from '#model/spec';
import type { Member } from './member.ts';
import type { PlanDraft } from './plan-draft.ts';

/** Starts a new instance gets during a deploy before the deploy has failed: one crash may be bad luck, three are not (R5). */
export const MAX_STARTS_IN_ROLLOUT = 3;

/** Why this instance of the new release makes the deploy fail; undefined while it may still become healthy. */
export function failureOf(member: Member, spec: ServiceSpec, draft: PlanDraft): FailureCause | undefined {
  const { status, observation, readiness } = member.facts;
  if (status?.phase === 'failed') return causeOf(member, codeOf(status), status.reason);
  if (observation.wasHealthy) return undefined;
  // The agent names the failure once it has read what the attempt wrote.
  if (status?.phase === 'backing-off' && status.failure !== undefined && status.attempt >= MAX_STARTS_IN_ROLLOUT) {
    return causeOf(member, codeOf(status), `${status.reason}, ${status.attempt} times in a row`);
  }
  if (observation.preparedAt === undefined || member.isHealthy) return undefined;
  if (!draft.isDue(later(observation.preparedAt, spec.update.healthyDeadlineMs))) return undefined;
  const within = `within ${formatDuration(spec.update.healthyDeadlineMs)}`;
  if (status?.phase !== 'running') return causeOf(member, 'start-timeout', `did not start ${within}: ${status?.reason ?? 'its agent has not reported'}`);
  return causeOf(member, 'unhealthy', `was not healthy ${within}: ${readiness.reason ?? 'no gateway has seen it passing without a break'}`);
}

/** The failure of a deploy that made no progress for too long, with the best explanation at hand. */
export function noProgress(spec: ServiceSpec, pending: readonly string[], isUnplaced: boolean): FailureCause {
  const why = pending.length > 0 ? `: ${pending.join('; ')}` : '';
  return {
    code: isUnplaced ? 'not-placed' : 'progress-deadline',
    message: `no further instance became healthy within ${formatDuration(spec.update.progressDeadlineMs)}${why}`,
  };
}

function codeOf(status: InstanceStatus): FailureCause['code'] {
  if (status.failure === 'alive-check') return 'unhealthy';
  return status.failure ?? 'exited';
}

function causeOf(member: Member, code: FailureCause['code'], message: string): FailureCause {
  const { instance, status } = member.facts;
  const output = status?.output;
  return {
    code,
    message: `${member.name} on ${instance.node}: ${message}`,
    instance: instance.id,
    node: instance.node,
    ...(output === undefined ? {} : { output }),
  };
}
