import { backoffMs } from '#base/backoff';
import { formatDuration } from '#base/duration';
import type { Instance } from '#model/instance';
import type { End, KeeperState } from './keeper-state.ts';
import { type Moment, momentAfter } from './moment.ts';

/** Share of a restart's delay that is random (B1). */
const jitter = 0.25;
/** An attempt that could not even be tried waits this long, without being counted. */
const notReadyRetryMs = 2_000;

interface Ended {
  readonly instance: Instance | undefined;
  readonly state: KeeperState;
  readonly end: End;
  readonly now: Moment;
  /** Fresh random number in [0, 1). */
  readonly luck: number;
}

/** The state after an attempt has ended and nothing of it is left: stopped, failed, or another attempt now or later. Pure. */
export function afterEnd(ended: Ended): KeeperState {
  const { state, end, now } = ended;
  // What could not even be tried was no attempt; what was to stop needs no explanation.
  const wasAttempt = state.stage.kind === 'process' || state.stage.kind === 'starting';
  if (!wasAttempt || end.why === 'not-ready' || end.why === 'stop') return next(ended);
  return next({ ...ended, state: { ...state, lastEnd: { attempt: state.attempt, endedAt: now, reason: end.reason } } });
}

function next({ instance, state, end, now, luck }: Ended): KeeperState {
  if (!instance || end.why === 'stop' || instance.intent.kind !== 'run') return { ...state, stage: { kind: 'stopped', end } };
  const failed: KeeperState = { ...state, stage: { kind: 'failed', end } };
  if (instance.runsOnce && end.why !== 'not-ready')
    return end.exit?.code === 0 && end.why === 'exited' ? { ...state, stage: { kind: 'stopped', end } } : failed;
  switch (end.why) {
    case 'restart':
      return renewed(state, instance);
    case 'machine':
      return { ...state, stage: { kind: 'idle' } };
    case 'not-ready':
      return { ...state, stage: { kind: 'waiting', until: momentAfter(now, notReadyRetryMs), end } };
    case 'install-failed':
    case 'fetch-failed':
    case 'command-missing':
      return failed;
    case 'port-in-use':
      // A port of our own choice can be chosen again; a fixed one is taken until somebody acts.
      return instance.spec.hostPort === undefined ? counted({ instance, state: withoutPort(state), end, now, luck }) : failed;
    case 'start-timeout':
      // What listened to nobody for the whole of its time will not the next time either, unless it has done so before (R5).
      return state.wasRunning ? counted({ instance, state, end, now, luck }) : failed;
    case 'exited':
      if (end.exit?.code === 0 && state.wasRunning && !state.isCleanExitUsed) return { ...state, isCleanExitUsed: true, stage: { kind: 'idle' } };
      return counted({ instance, state, end, now, luck });
    case 'alive-check':
      return counted({ instance, state, end, now, luck });
  }
}

/** The state from which it is started as if for the first time (B2); attempts go on counting. */
export function renewed(state: KeeperState, instance: Instance): KeeperState {
  return { ...state, nonce: instance.restartNonce, restarts: [], isCleanExitUsed: false, wasRunning: false, stage: { kind: 'idle' } };
}

function counted({ instance, state, end, now, luck }: Ended & { readonly instance: Instance }): KeeperState {
  const { restart } = instance.spec;
  const restarts = [...state.restarts.filter((moment) => moment.at > now.at - restart.windowMs), now];
  if (restarts.length > restart.attempts) {
    const reason = `${end.reason}; gave up after ${restart.attempts} restarts within ${formatDuration(restart.windowMs)}`;
    return { ...state, restarts: state.restarts, stage: { kind: 'failed', end: { ...end, reason } } };
  }
  const delayMs = backoffMs({ baseMs: restart.baseDelayMs, capMs: restart.maxDelayMs, jitter }, restarts.length - 1, luck);
  return { ...state, restarts, stage: { kind: 'waiting', until: momentAfter(now, delayMs), end } };
}

function withoutPort(state: KeeperState): KeeperState {
  const { port: _port, ...rest } = state;
  return rest;
}

const quickExitMs = 10_000;
const PORT_IN_USE = /\bEADDRINUSE\b|address already in use|port \d+ is (?:already )?in use/i;

/** An exit soon after the start by a process that says its port is taken is `port-in-use`: another port helps, another attempt does not. */
export function classifyEnd(end: End, attempt: { readonly aliveMs: number; readonly isReady: boolean }): End {
  if (end.why !== 'exited' || attempt.isReady || attempt.aliveMs > quickExitMs) return end;
  const line = end.output?.find((text) => PORT_IN_USE.test(text));
  return line === undefined ? end : { ...end, why: 'port-in-use', reason: `${end.reason}, because its port is in use` };
}
