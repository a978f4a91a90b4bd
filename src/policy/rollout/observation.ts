import type { Instance, InstanceStatus } from '#model/instance';
import type { Moment } from '#model/moment';
import { type Continuity, isContinuous, type Readiness } from './readiness.ts';

/**
 * Since when this leader has seen what. On the leader's own clock, because clocks of machines are never compared; forgotten with its term, which
 * makes a new leader wait longer, never shorter.
 */
export interface Observation {
  /** The artifact was on the node and installed: the healthy deadline starts here (R3). */
  readonly preparedAt?: Moment;
  /** Ready without a break since then (H5). */
  readonly readySince?: Moment;
  readonly wasReady: boolean;
  /** Ready for `minHealthy` at least once. */
  readonly wasHealthy: boolean;
  /** It was told to go: the time of gateways to acknowledge starts here. */
  readonly leavingSince?: Moment;
  /** Every gateway had acknowledged that it gets nothing new: the drain timeout starts here. */
  readonly unroutedAt?: Moment;
  /** Its agent gave it up: the delay before the next try elsewhere starts here. */
  readonly failedAt?: Moment;
  readonly continuity: Continuity;
}

/** What is now known, given what was known before. */
export function observe(
  before: Observation | undefined,
  seen: { readonly instance: Instance; readonly status: InstanceStatus | undefined; readonly readiness: Readiness },
  now: Moment,
): Observation {
  const { instance, status, readiness } = seen;
  const unbroken = before !== undefined && isContinuous(before.continuity, readiness.continuity);
  const readySince = readiness.ready ? ((unbroken ? before.readySince : undefined) ?? now) : undefined;
  const isPrepared = status !== undefined && (status.preparedAt !== undefined || status.phase === 'starting' || status.phase === 'running');
  const isHealthy = readySince !== undefined && now - readySince >= instance.spec.update.minHealthyMs;
  return {
    ...moment('preparedAt', isPrepared ? (before?.preparedAt ?? now) : undefined),
    ...moment('readySince', readySince),
    wasReady: readiness.ready || (before?.wasReady ?? false),
    wasHealthy: isHealthy || (before?.wasHealthy ?? false),
    ...moment('leavingSince', instance.intent.kind === 'run' ? undefined : (before?.leavingSince ?? now)),
    ...moment('unroutedAt', instance.intent.kind !== 'run' && readiness.unrouted ? (before?.unroutedAt ?? now) : undefined),
    ...moment('failedAt', status?.phase === 'failed' ? (before?.failedAt ?? now) : undefined),
    continuity: readiness.continuity,
  };
}

function moment<Key extends string>(key: Key, value: Moment | undefined): { readonly [K in Key]?: Moment } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]?: Moment });
}
