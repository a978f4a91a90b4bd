import { parseSizeBytes } from '#base/bytes';
import { parseDurationMs } from '#base/duration';
import { parseRate } from '#base/rate';
import type { RateLimit, Route, RouteSettings } from './route.ts';
import type { TrafficInput } from './traffic-schema.ts';

/** What of a route says how requests are treated. What is absent is as everywhere. */
export type Traffic = Pick<Route, 'slowStartMs' | 'rateLimit' | 'settings'>;

/** Traffic settings as a route has them. `more` are settings that are not written by people. */
export function resolveTraffic(input: TrafficInput, more: RouteSettings = {}): Traffic {
  const { slowStart, rateLimit } = input;
  const settings = { ...settingsOf(input), ...more };
  return {
    ...(slowStart === undefined ? {} : { slowStartMs: parseDurationMs(slowStart) }),
    ...(rateLimit === undefined ? {} : { rateLimit: rateLimitOf(rateLimit) }),
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
  };
}

function rateLimitOf({ rate, burst, per = 'client' }: NonNullable<TrafficInput['rateLimit']>): RateLimit {
  // The schema has refused what is no rate.
  const ratePerSecond = parseRate(rate) ?? 1;
  return { ratePerSecond, burst: burst ?? Math.max(1, Math.ceil(ratePerSecond)), per };
}

function settingsOf({ retries, timeouts = {}, limits = {}, ejection, panic, backups, backupDrain, oddFieldNames }: TrafficInput): RouteSettings {
  const { count, on, idempotencyKey } = typeof retries === 'object' ? retries : { count: retries };
  return withoutAbsent({
    connectTimeoutMs: optionalMs(timeouts.connect),
    answerTimeoutMs: optionalMs(timeouts.answer),
    idleTimeoutMs: optionalMs(timeouts.idle),
    totalTimeoutMs: optionalMs(timeouts.total),
    maxTries: count === undefined ? undefined : count + 1,
    retryOn: on,
    trustsIdempotencyKey: idempotencyKey,
    maxBodyBytes: limits.body === undefined ? undefined : parseSizeBytes(limits.body),
    maxInFlight: limits.inFlight,
    maxWaiting: limits.waiting,
    ejection:
      ejection && withoutAbsent({ failures: ejection.failures, errors: ejection.errors, slowFactor: ejection.slower, baseMs: optionalMs(ejection.for) }),
    panicShare: panic,
    allBackups: backups === undefined ? undefined : backups === 'all',
    backupDrainMs: optionalMs(backupDrain),
    oddFieldNames,
  });
}

type Present<Value> = { [Key in keyof Value]?: Exclude<Value[Key], undefined> };

function withoutAbsent<Value extends object>(value: Value): Present<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Present<Value>;
}

function optionalMs(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text);
}
