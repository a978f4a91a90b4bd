import { unreachable } from '#base/assert';
import type { Instance, InstancePhase, InstanceStatus } from '#model/instance';
import type { UnixMs } from '#world/world';
import type { End, KeeperState } from './keeper-state.ts';

/** What the keeper is doing while nothing runs. */
export interface Activity {
  readonly phase: 'fetching' | 'installing' | 'starting';
  readonly reason: string;
}

interface Observed {
  readonly instance: Instance;
  readonly state: KeeperState;
  readonly activity: Activity | undefined;
  readonly host: string;
  readonly previous: InstanceStatus | undefined;
  readonly wall: UnixMs;
  readonly usage: InstanceStatus['usage'];
}

/** The status to publish. Equal observations give equal statuses, `since` included. Pure. */
export function statusOf(observed: Observed): InstanceStatus {
  const { instance, state, host, previous, wall, usage } = observed;
  const { stage } = state;
  const { phase, reason } = phaseOf(observed);
  const end = endOf(state);
  const attempt = stage.kind === 'process' ? stage : undefined;
  return {
    id: instance.id,
    node: instance.node,
    phase,
    since: previous?.phase === phase && previous.attempt === state.attempt ? previous.since : wall,
    attempt: state.attempt,
    restarts: state.restarts.length,
    ...(attempt && instance.spec.listens && state.port !== undefined ? { address: { host, port: state.port } } : {}),
    ...(attempt ? { pid: attempt.identity.pid, startedAt: attempt.startedAt.wall } : {}),
    ...(state.preparedAt ? { preparedAt: state.preparedAt.wall } : {}),
    ...(stage.kind === 'waiting' ? { nextStartAt: stage.until.wall } : {}),
    ...(end?.exit ? { exit: end.exit } : {}),
    reason,
    ...failureOf(end, { phase, isOver: stage.kind !== 'process' }),
    ...(end?.output ? { output: end.output } : {}),
    ...(usage && phase === 'running' ? { usage } : {}),
    ...lastEndOf(state),
  };
}

function lastEndOf({ lastEnd }: KeeperState): Pick<InstanceStatus, 'lastEnd'> {
  return lastEnd === undefined ? {} : { lastEnd: { attempt: lastEnd.attempt, at: lastEnd.endedAt.wall, reason: lastEnd.reason } };
}

function phaseOf({ state, activity }: Observed): { readonly phase: InstancePhase; readonly reason: string } {
  const { stage } = state;
  switch (stage.kind) {
    case 'idle':
      return activity ?? { phase: 'starting', reason: 'about to start' };
    case 'starting':
      return { phase: 'starting', reason: 'about to start' };
    case 'waiting':
      return activity ?? { phase: 'backing-off', reason: stage.end.reason };
    case 'failed':
      return { phase: 'failed', reason: stage.end.reason };
    case 'stopped':
      return { phase: 'stopped', reason: stage.end.reason };
    case 'process':
      if (stage.ending) return { phase: stage.ending.end.why === 'stop' ? 'stopping' : 'backing-off', reason: stage.ending.end.reason };
      return stage.readyAt ? { phase: 'running', reason: 'startup passed' } : { phase: 'starting', reason: 'waiting for startup to pass' };
    default:
      return unreachable(stage);
  }
}

function endOf(state: KeeperState): End | undefined {
  const { stage } = state;
  if (stage.kind === 'process') return stage.ending?.end;
  return stage.kind === 'idle' || stage.kind === 'starting' ? undefined : stage.end;
}

/** Why the attempt failed; also while the next one waits, so that whoever watches need not wait for the last. What an exit means is known once its output was read. */
function failureOf(end: End | undefined, { phase, isOver }: { readonly phase: InstancePhase; readonly isOver: boolean }): Pick<InstanceStatus, 'failure'> {
  if (!end || phase === 'stopped' || phase === 'stopping') return {};
  if (end.why === 'exited' && !isOver) return {};
  if (end.why === 'stop' || end.why === 'restart' || end.why === 'machine' || end.why === 'not-ready') return {};
  return { failure: end.why };
}
