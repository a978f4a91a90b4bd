import { unreachable } from '#base/assert';
import { formatDuration } from '#base/duration';
import type { Instance } from '#model/instance';
import type { Check, Probe } from '#model/spec';
import type { Instant } from '#world/world';
import type { End, KeeperFacts, KeeperState, ProcessStage } from './keeper-state.ts';
import type { Moment } from './moment.ts';

/** The next thing to do for one instance. */
export type Action =
  /** Fetch, unpack, install. */
  | { readonly kind: 'prepare' }
  | { readonly kind: 'start' }
  /** Find the process of a start that an earlier agent did not live to record. */
  | { readonly kind: 'seek'; readonly token: string; readonly bootId: string; readonly since: Moment }
  /** Ask the process itself; the answer becomes a fact. */
  | { readonly kind: 'probe'; readonly check: 'startup' | 'alive'; readonly probe: Probe; readonly timeoutMs: number; readonly rise: number }
  | { readonly kind: 'become-running'; readonly reason: string }
  /** Begin the end of the process, with this signal to its whole group. */
  | { readonly kind: 'end'; readonly signal: 'SIGTERM' | 'SIGKILL'; readonly end: End }
  /** SIGTERM was not enough. */
  | { readonly kind: 'kill' }
  /** See whether anybody of the group is left. */
  | { readonly kind: 'look' }
  /** Nobody is left: count, and decide what comes after this end. */
  | { readonly kind: 'settle'; readonly end: End }
  /** Without a process: it is over. */
  | { readonly kind: 'stop'; readonly end: End }
  /** Counters back to zero: it has been healthy for long (B2). */
  | { readonly kind: 'reset' }
  /** The operator wants it started afresh: counters back to zero and to `idle`. */
  | { readonly kind: 'renew' }
  /** The instance is no more: record and folder go. */
  | { readonly kind: 'forget' }
  /** Nothing until then, or until something happens. */
  | { readonly kind: 'wait'; readonly until?: Instant };

const firstProbeMs = 100;
const probeGrowth = 1.25;
const slowestStartupProbeMs = 500;
/** While a failing alive check is not decided, it is asked at this pace instead of the steady one (H3). */
const transitionMs = 1_000;
const firstLookMs = 50;
const slowestLookMs = 500;
/** SIGKILL is repeated: a process forked in the moment of the first may have been missed. */
const killAgainMs = 5_000;

interface Situation {
  /** `undefined`: control has deleted it. */
  readonly instance: Instance | undefined;
  readonly state: KeeperState;
  readonly facts: KeeperFacts;
  readonly now: Instant;
}

/** What to do next for one instance. Pure: asked again after every action and every change of the facts. */
export function planInstance(situation: Situation): Action {
  const { instance, state, facts, now } = situation;
  const { stage } = state;
  if (stage.kind === 'process') return planProcess(situation, stage);
  // Whatever is wanted now, first it has to be known what runs.
  if (stage.kind === 'starting') return { kind: 'seek', token: stage.token, bootId: stage.bootId, since: stage.since };
  if (!instance) return { kind: 'forget' };
  if (stage.kind === 'stopped') return { kind: 'wait' };
  if (instance.intent.kind === 'stop') return { kind: 'stop', end: { why: 'stop', reason: instance.intent.reason } };
  // Requests go elsewhere already and will not come back (S1): a start would be in vain.
  if (instance.intent.kind === 'drain' && stage.kind !== 'failed') {
    return {
      kind: 'stop',
      end: stage.kind === 'waiting' ? stage.end : { why: 'stop', reason: `not started, because it is draining: ${instance.intent.reason}` },
    };
  }
  if (instance.runsOnce && state.attempt > 0 && (stage.kind === 'idle' || stage.kind === 'waiting')) return { kind: 'stop', end: NOT_TWICE };
  if (instance.restartNonce > state.nonce) return { kind: 'renew' };
  switch (stage.kind) {
    case 'idle':
      return { kind: facts.isPrepared ? 'start' : 'prepare' };
    case 'waiting':
      if (now < stage.until.at) return { kind: 'wait', until: stage.until.at };
      return { kind: facts.isPrepared ? 'start' : 'prepare' };
    case 'failed':
      return { kind: 'wait' };
    default:
      return unreachable(stage);
  }
}

function planProcess(situation: Situation, stage: ProcessStage): Action {
  const { instance, state, facts } = situation;
  if (stage.ending) return planEnding(situation, stage.ending);
  const stopReason = instance ? (instance.intent.kind === 'stop' ? instance.intent.reason : undefined) : 'the instance was removed';
  if (stopReason !== undefined) return { kind: 'end', signal: 'SIGTERM', end: { why: 'stop', reason: stopReason } };
  // What is left of the group without its leader holds the port and serves nobody.
  if (facts.exit) return { kind: 'end', signal: 'SIGKILL', end: { why: 'exited', reason: describeExit(facts), exit: facts.exit } };
  if (!instance) return unreachable(instance as never);
  if (instance.runsOnce) return planOnce(situation, stage, instance.runsOnce.timeoutMs);
  if (instance.restartNonce > state.nonce) return { kind: 'end', signal: 'SIGTERM', end: { why: 'restart', reason: 'restarted by the operator' } };
  return stage.readyAt ? planRunning(situation, instance, stage.readyAt.at) : planStarting(situation, instance, stage.startedAt.at);
}

/** The agent before us may have seen it end, or not: nobody can tell what it did. */
const NOT_TWICE: End = { why: 'machine', reason: 'its start or its end was missed, and it is not started a second time' };

function planOnce({ now }: Situation, { startedAt, readyAt }: ProcessStage, timeoutMs: number): Action {
  const deadline = (startedAt.at + timeoutMs) as Instant;
  if (now >= deadline) return { kind: 'end', signal: 'SIGTERM', end: { why: 'start-timeout', reason: `did not end within ${formatDuration(timeoutMs)}` } };
  return readyAt ? { kind: 'wait', until: deadline } : { kind: 'become-running', reason: 'it has begun' };
}

function planStarting({ facts, now }: Situation, instance: Instance, startedAt: Instant): Action {
  const { checks, listens } = instance.spec;
  const probe: Probe | undefined = checks.startup.probe ?? (listens ? { kind: 'tcp' } : undefined);
  if (!probe) return { kind: 'become-running', reason: 'started; it neither listens nor has a startup check' };
  const { startTimeoutMs, timeoutMs } = checks.startup;
  const deadline = startedAt + startTimeoutMs;
  if (now >= deadline) {
    const last = facts.check.lastFailure ?? 'it was never answered';
    return { kind: 'end', signal: 'SIGTERM', end: { why: 'start-timeout', reason: `not started within ${startTimeoutMs} ms: ${last}` } };
  }
  const paceMs = Math.min(slowestStartupProbeMs, Math.max(firstProbeMs, checks.startup.intervalMs), firstProbeMs * probeGrowth ** facts.check.probes);
  const due = (facts.check.probedAt?.at ?? startedAt) + paceMs;
  if (now < due) return { kind: 'wait', until: Math.min(due, deadline) as Instant };
  return { kind: 'probe', check: 'startup', probe, timeoutMs: Math.min(timeoutMs, deadline - now), rise: 1 };
}

function planRunning({ state, facts, now }: Situation, instance: Instance, readyAt: Instant): Action {
  const { checks, restart } = instance.spec;
  const { alive } = checks;
  const hasCounted = state.restarts.length > 0 || state.isCleanExitUsed;
  const resetAt = hasCounted ? readyAt + restart.resetAfterMs : Number.POSITIVE_INFINITY;
  if (now >= resetAt) return { kind: 'reset' };
  if (!alive) return waitUntil(resetAt);
  if (facts.check.failures >= alive.fall) {
    const reason = `the alive check failed ${facts.check.failures} times: ${facts.check.lastFailure ?? 'no reason'}`;
    return { kind: 'end', signal: 'SIGTERM', end: { why: 'alive-check', reason } };
  }
  const due = (facts.check.probedAt?.at ?? readyAt) + alivePaceMs(alive, facts.check.failures);
  if (now < due) return waitUntil(Math.min(due, resetAt));
  return { kind: 'probe', check: 'alive', probe: alive.probe, timeoutMs: alive.timeoutMs, rise: alive.rise };
}

function alivePaceMs(alive: Check, failures: number): number {
  return failures === 0 ? alive.intervalMs : Math.min(transitionMs, alive.intervalMs);
}

function planEnding({ instance, facts, now }: Situation, ending: NonNullable<ProcessStage['ending']>): Action {
  if (facts.isGroupGone) return { kind: 'settle', end: facts.exit ? { ...ending.end, exit: facts.exit } : ending.end };
  // A removed instance has taken its spec with it.
  const killTimeoutMs = instance?.spec.stop.killTimeoutMs ?? defaultKillTimeoutMs;
  const killAt = ending.killedAt ? ending.killedAt.at + killAgainMs : ending.since.at + killTimeoutMs;
  if (now >= killAt) return { kind: 'kill' };
  // While the leader lives its end wakes us; only what it leaves behind has to be looked for.
  if (!facts.exit && !ending.killedAt) return { kind: 'wait', until: killAt as Instant };
  const lookAt = facts.lookedAt ? facts.lookedAt.at + Math.min(slowestLookMs, firstLookMs * 2 ** (facts.looks - 1)) : now;
  return now >= lookAt ? { kind: 'look' } : { kind: 'wait', until: Math.min(lookAt, killAt) as Instant };
}

const defaultKillTimeoutMs = 10_000;

function waitUntil(until: number): Action {
  return until === Number.POSITIVE_INFINITY ? { kind: 'wait' } : { kind: 'wait', until: until as Instant };
}

function describeExit(facts: KeeperFacts): string {
  const { code, signal } = facts.exit ?? {};
  if (code !== undefined) return `exited with code ${code}`;
  if (signal !== undefined) return `ended by ${signal}`;
  return 'ended; its exit code went to a parent that is no more';
}
