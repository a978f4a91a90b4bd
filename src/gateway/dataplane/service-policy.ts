import type { Route } from '#model/route';
import { type Balancer, DEFAULT_BALANCE, makeBalancer } from '#policy/balance/balancers';
import { DEFAULT_EJECTION, type EjectionOptions } from '#policy/balance/ejection';
import type { RetryCondition } from '#policy/balance/retry';
import { SLOW_START } from '#policy/balance/slow-start';
import { DEFAULT_TIERS, type TierOptions } from '#policy/balance/tiers';
import { DEFAULT_TIMES, LIMITS, type ServiceTimes } from './limits.ts';

/** How one service treats its requests and backends, with every default filled in. */
export interface ServicePolicy {
  readonly times: ServiceTimes;
  readonly maxBodyBytes: number;
  readonly pipelines: boolean;
  readonly oddFieldNames: 'drop' | 'refuse' | undefined;
  readonly maxTries: number | undefined;
  readonly retryOn: ReadonlySet<RetryCondition>;
  readonly maxInFlight: number | undefined;
  readonly maxWaiting: number;
  readonly slowStartMs: number;
  readonly stickyDrainMs: number;
  readonly backupDrainMs: number | undefined;
  readonly ejection: EjectionOptions;
  readonly tiers: TierOptions;
}

/** What a route says, or what all have. */
export function policyOf({ settings = {}, slowStartMs }: Pick<Route, 'settings' | 'slowStartMs'>): ServicePolicy {
  const { ejection = {} } = settings;
  return {
    times: {
      connectMs: settings.connectTimeoutMs ?? DEFAULT_TIMES.connectMs,
      answerMs: settings.answerTimeoutMs ?? DEFAULT_TIMES.answerMs,
      idleMs: settings.idleTimeoutMs ?? DEFAULT_TIMES.idleMs,
      totalMs: settings.totalTimeoutMs,
      tunnelIdleMs: settings.idleTimeoutMs ?? DEFAULT_TIMES.tunnelIdleMs,
    },
    maxBodyBytes: settings.maxBodyBytes ?? LIMITS.bodyBytes,
    oddFieldNames: settings.oddFieldNames,
    pipelines: settings.pipeline ?? false,
    maxTries: settings.maxTries,
    retryOn: new Set(settings.retryOn),
    maxInFlight: settings.maxInFlight,
    maxWaiting: settings.maxWaiting ?? LIMITS.heldRequests,
    slowStartMs: slowStartMs ?? SLOW_START.rampMs,
    stickyDrainMs: settings.stickyDrainMs ?? 0,
    backupDrainMs: settings.backupDrainMs,
    ejection: {
      failures: ejection.failures ?? DEFAULT_EJECTION.failures,
      errors: ejection.errors ?? DEFAULT_EJECTION.errors,
      slowFactor: ejection.slowFactor ?? DEFAULT_EJECTION.slowFactor,
      baseMs: ejection.baseMs ?? DEFAULT_EJECTION.baseMs,
    },
    tiers: {
      panicShare: settings.panicShare ?? DEFAULT_TIERS.panicShare,
      allBackups: settings.allBackups ?? DEFAULT_TIERS.allBackups,
      usesDraining: settings.usesDraining ?? DEFAULT_TIERS.usesDraining,
    },
  };
}

/** A policy that this version does not know is one of a newer control: rather another order than no answer. */
export function balancerOf(text: string): Balancer {
  try {
    return makeBalancer(text);
  } catch {
    return makeBalancer(DEFAULT_BALANCE);
  }
}
