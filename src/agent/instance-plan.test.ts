import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instance, InstanceIntent } from '#model/instance';
import type { Checks } from '#model/spec';
import type { Instant, UnixMs } from '#world/world';
import { NO_CHECKS } from './check-facts.ts';
import { type Action, planInstance } from './instance-plan.ts';
import { type End, INITIAL_STATE, type KeeperFacts, type KeeperState, type Stage, UNSEEN } from './keeper-state.ts';
import type { Moment } from './moment.ts';
import { exampleInstance } from './testing/example-instance.ts';

const NOW = 1_000_000 as Instant;

function ago(ms: number): Moment {
  return { at: (NOW - ms) as Instant, wall: 0 as UnixMs };
}

const identity = { pid: 7, startTicks: 1, bootId: 'b', token: 't' };
const crashed: End = { why: 'exited', reason: 'exited with code 1', exit: { code: 1, signal: undefined } };
const asked: End = { why: 'stop', reason: 'asked' };

const startup = { intervalMs: 250, timeoutMs: 1_000, startTimeoutMs: 10_000 };
const alive = { probe: { kind: 'http', path: '/alive' }, intervalMs: 5_000, timeoutMs: 500, rise: 2, fall: 3 } as const;
const CHECKS: Readonly<Record<string, Checks>> = {
  plain: { startup },
  probed: { startup: { ...startup, probe: { kind: 'http', path: '/up' } } },
  alive: { startup, alive },
};

const INTENTS: Readonly<Record<string, InstanceIntent | undefined>> = {
  run: { kind: 'run' },
  drain: { kind: 'drain', since: 0 as UnixMs, reason: 'new release' },
  stop: { kind: 'stop', since: 0 as UnixMs, reason: 'asked' },
  gone: undefined,
};

const STAGES: Readonly<Record<string, Stage>> = {
  idle: { kind: 'idle' },
  'waiting, due': { kind: 'waiting', until: ago(0), end: crashed },
  'waiting, not due': { kind: 'waiting', until: ago(-500), end: crashed },
  failed: { kind: 'failed', end: crashed },
  sought: { kind: 'starting', token: 't', bootId: 'b', since: ago(1_000) },
  stopped: { kind: 'stopped', end: asked },
  'starting, young': { kind: 'process', identity, startedAt: ago(10) },
  'starting, due': { kind: 'process', identity, startedAt: ago(3_000) },
  'starting, late': { kind: 'process', identity, startedAt: ago(10_000) },
  'running, young': { kind: 'process', identity, startedAt: ago(2_000), readyAt: ago(1_000) },
  'running, old': { kind: 'process', identity, startedAt: ago(700_000), readyAt: ago(650_000) },
  'ending, young': { kind: 'process', identity, startedAt: ago(5_000), ending: { end: asked, since: ago(100) } },
  'ending, late': { kind: 'process', identity, startedAt: ago(5_000), ending: { end: asked, since: ago(2_000) } },
  'killed, young': { kind: 'process', identity, startedAt: ago(5_000), ending: { end: crashed, since: ago(3_000), killedAt: ago(100) } },
  'killed, late': { kind: 'process', identity, startedAt: ago(9_000), ending: { end: crashed, since: ago(9_000), killedAt: ago(6_000) } },
};

const check = { probes: 3, probedAt: ago(600), passes: 0, failures: 1, lastFailure: 'refused' };
const INITIAL_FACTS: KeeperFacts = { ...UNSEEN, isPrepared: false, check: NO_CHECKS };
const FACTS: Readonly<Record<string, Partial<KeeperFacts>>> = {
  nothing: {},
  prepared: { isPrepared: true },
  'check failed once': { isPrepared: true, check },
  'check failed thrice': { isPrepared: true, check: { ...check, failures: 3 } },
  'check passed just now': { isPrepared: true, check: { probes: 1, probedAt: ago(10), passes: 1, failures: 0 } },
  exited: { isPrepared: true, exit: { code: 1, signal: undefined } },
  'exited, looked at': { isPrepared: true, exit: { code: 1, signal: undefined }, looks: 2, lookedAt: ago(30) },
  'group gone': { isPrepared: true, exit: { code: 1, signal: undefined }, isGroupGone: true },
};

const COUNTERS: Readonly<Record<string, Partial<KeeperState>>> = { fresh: {}, counted: { restarts: [ago(660_000)] }, forgiven: { isCleanExitUsed: true } };

interface Case {
  readonly name: string;
  readonly wish: string;
  readonly stageName: string;
  readonly instance: Instance | undefined;
  readonly state: KeeperState;
  readonly facts: KeeperFacts;
  readonly action: Action;
}

function* everyCase(): Generator<Case> {
  for (const [wish, intent] of Object.entries(INTENTS))
    for (const [stageName, stage] of Object.entries(STAGES))
      for (const [factsName, facts] of Object.entries(FACTS))
        for (const [countersName, counters] of Object.entries(COUNTERS))
          for (const [checksName, checks] of Object.entries(CHECKS))
            for (const listens of [true, false])
              for (const restartNonce of [0, 1]) {
                const instance = intent && exampleInstance({ intent, restartNonce, spec: { listens, checks } });
                const state: KeeperState = { ...INITIAL_STATE, attempt: 1, ...counters, stage };
                const all = { ...INITIAL_FACTS, ...facts };
                const action = planInstance({ instance, state, facts: all, now: NOW });
                const name = [wish, stageName, factsName, countersName, checksName, `listens ${listens}`, `nonce ${restartNonce}`].join('; ');
                yield { name, wish, stageName, instance, state, facts: all, action };
              }
}

const ALL = [...everyCase()];

/** The law holds in every case, and there are cases to which it applies. */
function law(claim: string, applies: (one: Case) => boolean, holds: (one: Case) => boolean): void {
  test(`in every one of ${ALL.length} situations, ${claim}`, () => {
    const applying = ALL.filter(applies);
    assert.ok(applying.length > 0, 'no situation is like that');
    const broken = applying.filter((one) => !holds(one)).map((one) => `${one.name} → ${JSON.stringify(one.action)}`);
    assert.deepEqual(broken.slice(0, 5), []);
  });
}

const isProcess = ({ state }: Case) => state.stage.kind === 'process';
const isEnding = ({ state }: Case) => state.stage.kind === 'process' && state.stage.ending !== undefined;

law(
  'a process is started only when it is wanted, prepared, and nothing of it runs',
  ({ action }) => action.kind === 'start',
  ({ wish, facts, stageName }) => wish === 'run' && facts.isPrepared && (stageName === 'idle' || stageName === 'waiting, due'),
);
law(
  'what is wanted, due and prepared is started',
  ({ wish, facts, stageName, instance }) =>
    wish === 'run' && facts.isPrepared && instance?.restartNonce === 0 && (stageName === 'idle' || stageName === 'waiting, due'),
  ({ action }) => action.kind === 'start',
);
law(
  'a wait ends in the future',
  ({ action }) => action.kind === 'wait' && action.until !== undefined,
  ({ action }) => action.kind === 'wait' && action.until !== undefined && action.until > NOW,
);
law(
  'what is gone is forgotten exactly when nothing of it runs',
  ({ wish }) => wish === 'gone',
  (one) => (one.action.kind === 'forget') === (!isProcess(one) && one.stageName !== 'sought'),
);
law(
  'a start that was not recorded to its end is looked for before anything else, and nothing else is',
  () => true,
  ({ action, stageName }) => (action.kind === 'seek') === (stageName === 'sought'),
);
law(
  'nothing that is wanted is forgotten',
  ({ wish }) => wish !== 'gone',
  ({ action }) => action.kind !== 'forget',
);
law(
  'what has stopped stays so',
  ({ wish, stageName }) => wish !== 'gone' && stageName === 'stopped',
  ({ action }) => action.kind === 'wait' && action.until === undefined,
);
law('a group known to be gone is settled, and no other', isEnding, ({ action, facts }) => (action.kind === 'settle') === facts.isGroupGone);
law(
  'a draining instance that runs is left alone (S1)',
  (one) =>
    one.wish === 'drain' &&
    one.stageName === 'running, young' &&
    one.facts.exit === undefined &&
    one.facts.check.failures < 3 &&
    one.instance?.restartNonce === 0,
  ({ action }) => action.kind === 'wait' || action.kind === 'probe',
);
law(
  'a stop begins with SIGTERM, if the end has not begun',
  (one) => (one.wish === 'stop' || one.wish === 'gone') && isProcess(one) && !isEnding(one),
  ({ action }) => action.kind === 'end' && action.signal === 'SIGTERM' && action.end.why === 'stop',
);
law(
  'SIGKILL comes only after the time of SIGTERM, or after its own',
  ({ action }) => action.kind === 'kill',
  ({ stageName, wish }) => stageName === 'killed, late' || (stageName === 'ending, late' && wish !== 'gone'),
);
law(
  'an unexpected end of the leader ends its group',
  (one) => one.wish === 'run' && isProcess(one) && !isEnding(one) && one.facts.exit !== undefined,
  ({ action }) => action.kind === 'end' && action.signal === 'SIGKILL' && action.end.why === 'exited',
);
law(
  'the group is looked at only when its leader has ended or was killed',
  ({ action }) => action.kind === 'look',
  ({ facts, stageName }) => facts.exit !== undefined || stageName.startsWith('killed'),
);
law(
  'the operator is heard by whatever is wanted and not ending',
  (one) =>
    one.wish === 'run' &&
    one.instance?.restartNonce === 1 &&
    !isEnding(one) &&
    one.stageName !== 'stopped' &&
    one.stageName !== 'sought' &&
    one.facts.exit === undefined,
  (one) => (isProcess(one) ? one.action.kind === 'end' && one.action.end.why === 'restart' : one.action.kind === 'renew'),
);
law(
  'a startup check is not asked of a process that is ready, nor an alive check of one that is not',
  ({ action }) => action.kind === 'probe',
  ({ action, stageName }) => action.kind === 'probe' && stageName.startsWith(action.check === 'alive' ? 'running' : 'starting'),
);
law(
  'a start that takes too long is ended',
  (one) =>
    one.wish === 'run' &&
    one.stageName === 'starting, late' &&
    one.facts.exit === undefined &&
    one.instance?.restartNonce === 0 &&
    (one.instance.spec.listens || one.instance.spec.checks.startup.probe !== undefined),
  ({ action }) => action.kind === 'end' && action.end.why === 'start-timeout',
);
law(
  'counters are reset only after the healthy time, and only if there is something to reset (B2)',
  ({ action }) => action.kind === 'reset',
  ({ stageName, state }) => stageName === 'running, old' && (state.restarts.length > 0 || state.isCleanExitUsed),
);
law(
  'three failures of the alive check end a running instance, two do not',
  (one) =>
    one.wish === 'run' &&
    one.stageName === 'running, young' &&
    one.instance?.restartNonce === 0 &&
    one.facts.exit === undefined &&
    one.instance.spec.checks.alive !== undefined,
  ({ action, facts }) => (action.kind === 'end' && action.end.why === 'alive-check') === facts.check.failures >= 3,
);

test('what runs once needs no check, is ended at its timeout, and is not started a second time', () => {
  const instance = exampleInstance({ runsOnce: { timeoutMs: 60_000 }, spec: { listens: false, checks: { startup } } });
  const plan = (stage: Stage, attempt = 1) =>
    planInstance({ instance, state: { ...INITIAL_STATE, attempt, stage }, facts: { ...INITIAL_FACTS, isPrepared: true }, now: NOW });
  const running = (ms: number): Stage => ({ kind: 'process', identity, startedAt: ago(ms), readyAt: ago(ms) });
  assert.deepEqual(plan({ kind: 'idle' }, 0), { kind: 'start' });
  assert.equal(plan({ kind: 'process', identity, startedAt: ago(0) }).kind, 'become-running');
  assert.deepEqual(plan(running(59_000)), { kind: 'wait', until: NOW + 1_000 });
  const late: End = { why: 'start-timeout', reason: 'did not end within 1m' };
  assert.deepEqual(plan(running(60_000)), { kind: 'end', signal: 'SIGTERM', end: late });
  for (const stage of [{ kind: 'idle' }, { kind: 'waiting', until: ago(0), end: crashed }] as const) assert.equal(plan(stage).kind, 'stop');
});

test('startup is asked quickly at first and then at its pace, never past its deadline', () => {
  const instance = exampleInstance({ spec: { checks: { startup: { ...startup, intervalMs: 1_000 } } } });
  const pace = [0, 1, 2, 4, 8, 16, 64].map((probes) => {
    const state: KeeperState = { ...INITIAL_STATE, stage: { kind: 'process', identity, startedAt: ago(5_000) } };
    const facts: KeeperFacts = { ...INITIAL_FACTS, check: { probes, probedAt: ago(0), passes: 0, failures: probes } };
    const action = planInstance({ instance, state, facts, now: NOW });
    return action.kind === 'wait' && action.until !== undefined ? Math.round(action.until - NOW) : action.kind;
  });
  assert.deepEqual(pace, [100, 125, 156, 244, 500, 500, 500]);
});
