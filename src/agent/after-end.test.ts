import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant, UnixMs } from '#world/world';
import { afterEnd, classifyEnd } from './after-end.ts';
import { type End, INITIAL_STATE, type KeeperState } from './keeper-state.ts';
import { type Moment, rebaseMoments } from './moment.ts';
import { exampleInstance, stopping } from './testing/example-instance.ts';

const now: Moment = { at: 1_000_000 as Instant, wall: 5_000_000 as UnixMs };
const ago = (ms: number): Moment => ({ at: (now.at - ms) as Instant, wall: (now.wall - ms) as UnixMs });
const instance = exampleInstance();
const worked: KeeperState = { ...INITIAL_STATE, attempt: 1, wasRunning: true, port: 20_000 };
const crash: End = { why: 'exited', reason: 'exited with code 1', exit: { code: 1, signal: undefined } };
const clean: End = { why: 'exited', reason: 'exited with code 0', exit: { code: 0, signal: undefined } };

function after(end: End, state: KeeperState = worked, luck = 0.5, of: typeof instance | undefined = instance): KeeperState {
  return afterEnd({ instance: of, state, end, now, luck });
}

test('delays double from one second to the cap, spread by a quarter (B1)', () => {
  const delays: number[] = [];
  let state = worked;
  const endless = exampleInstance({ spec: { restart: { ...instance.spec.restart, attempts: 20 } } });
  for (let round = 0; round < 8; round++) {
    state = after(crash, state, 0.5, endless);
    assert.ok(state.stage.kind === 'waiting');
    delays.push(state.stage.until.at - now.at);
  }
  assert.deepEqual(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  const [low, high] = [0, 0.999_999].map((luck) => after(crash, worked, luck).stage);
  assert.ok(low?.kind === 'waiting' && high?.kind === 'waiting');
  assert.deepEqual([low.until.at - now.at, Math.round(high.until.at - now.at)], [750, 1_250]);
});

test('the sixth restart within ten minutes is not made, but older ones do not count (B1)', () => {
  const five = [500_000, 400_000, 300_000, 200_000, 100_000].map(ago);
  const failed = after(crash, { ...worked, restarts: five });
  assert.ok(failed.stage.kind === 'failed');
  assert.match(failed.stage.end.reason, /gave up after 5 restarts within 10m/);
  const old = after(crash, { ...worked, restarts: [ago(600_001), ...five.slice(1)] });
  assert.deepEqual([old.stage.kind, old.restarts.length], ['waiting', 5]);
});

test('one clean exit costs nothing, the next one counts (B2)', () => {
  const first = after(clean);
  assert.deepEqual([first.stage.kind, first.restarts.length, first.isCleanExitUsed], ['idle', 0, true]);
  const second = after(clean, first);
  assert.deepEqual([second.stage.kind, second.restarts.length], ['waiting', 1]);
  assert.equal(after(clean, { ...worked, wasRunning: false }).stage.kind, 'waiting', 'a clean exit before it ever ran is no success');
});

test('what cannot help is not tried again (R5)', () => {
  for (const why of ['install-failed', 'fetch-failed', 'command-missing'] as const) assert.equal(after({ why, reason: 'no' }).stage.kind, 'failed', why);
  assert.equal(after({ why: 'start-timeout', reason: 'no' }, { ...worked, wasRunning: false }).stage.kind, 'failed');
  assert.equal(after({ why: 'start-timeout', reason: 'no' }).stage.kind, 'waiting');
});

test('a port of our own choice is changed, a fixed one fails', () => {
  const end: End = { why: 'port-in-use', reason: 'taken' };
  const other = after(end);
  assert.deepEqual([other.stage.kind, other.port, other.restarts.length], ['waiting', undefined, 1]);
  const fixed = after(end, worked, 0.5, exampleInstance({ spec: { hostPort: 80 } }));
  assert.equal(fixed.stage.kind, 'failed');
});

test('the end of an attempt is remembered, so that a restart can be explained: not what was asked to stop, nor what was no attempt', () => {
  const stage = { kind: 'starting', token: 't', bootId: 'b', since: ago(9) } as const;
  const third = { ...worked, attempt: 3, stage };
  const remembered = { attempt: 3, endedAt: now, reason: 'exited with code 1' };
  assert.deepEqual(after(crash, third).lastEnd, remembered);
  assert.deepEqual(after({ why: 'restart', reason: 'restarted by the operator' }, third).lastEnd?.reason, 'restarted by the operator');
  const known = { ...third, lastEnd: remembered };
  assert.deepEqual(after({ why: 'stop', reason: 'r' }, { ...known, attempt: 4 }).lastEnd, remembered);
  const between: KeeperState = { ...known, attempt: 4, stage: { kind: 'idle' } };
  for (const why of ['not-ready', 'port-in-use', 'install-failed'] as const) assert.deepEqual(after({ why, reason: 'r' }, between).lastEnd, remembered, why);
});

test("what was asked for, or is nobody's fault, is not counted", () => {
  const counted = { ...worked, restarts: [ago(1_000)] };
  assert.deepEqual(after({ why: 'machine', reason: 'power' }, counted), { ...counted, stage: { kind: 'idle' } });
  const waiting = after({ why: 'not-ready', reason: 'no secret' }, counted);
  assert.deepEqual([waiting.stage.kind, waiting.restarts.length], ['waiting', 1]);
  const renewed = after({ why: 'restart', reason: 'operator' }, counted, 0.5, { ...instance, restartNonce: 3 });
  assert.deepEqual([renewed.stage.kind, renewed.restarts.length, renewed.nonce, renewed.attempt], ['idle', 0, 3, 1]);
});

test('what is to stop, to drain, or gone, is not started again however it ended', () => {
  const draining = { ...instance, intent: { kind: 'drain', since: 0 as UnixMs, reason: 'x' } } as const;
  for (const wish of [stopping(instance), draining, undefined]) {
    for (const why of ['exited', 'alive-check', 'restart', 'machine', 'port-in-use', 'stop'] as const) {
      assert.equal(afterEnd({ instance: wish, state: worked, end: { why, reason: 'r' }, now, luck: 0 }).stage.kind, 'stopped', why);
    }
  }
});

test('what runs once is over when it ends: with code 0 it has done its work, and whatever else happened, it is not started again', () => {
  const once = exampleInstance({ runsOnce: { timeoutMs: 60_000 } });
  const done = after(clean, worked, 0.5, once);
  assert.deepEqual(done.stage, { kind: 'stopped', end: clean });
  for (const why of ['exited', 'machine', 'restart', 'start-timeout', 'port-in-use', 'command-missing', 'install-failed', 'alive-check'] as const) {
    assert.equal(after({ why, reason: 'r' }, worked, 0.5, once).stage.kind, 'failed', why);
  }
  assert.equal(after({ why: 'not-ready', reason: 'no secret' }, worked, 0.5, once).stage.kind, 'waiting');
});

test('a quick exit whose output says so is a port in use', () => {
  const output = ['starting', 'Error: listen EADDRINUSE: address already in use 127.0.0.1:20000'];
  const quick = classifyEnd({ ...crash, output }, { aliveMs: 500, isReady: false });
  assert.deepEqual([quick.why, quick.reason], ['port-in-use', 'exited with code 1, because its port is in use']);
  assert.equal(classifyEnd({ ...crash, output }, { aliveMs: 500, isReady: true }).why, 'exited');
  assert.equal(classifyEnd({ ...crash, output }, { aliveMs: 60_000, isReady: false }).why, 'exited');
  assert.equal(classifyEnd({ ...crash, output: ['starting'] }, { aliveMs: 500, isReady: false }).why, 'exited');
});

test("moments of a record count on the new agent's clock, and a wall clock set back cannot make a wait long", () => {
  const later: Moment = { at: 50 as Instant, wall: 9_000_000 as UnixMs };
  const state: KeeperState = {
    ...worked,
    restarts: [ago(1_000)],
    stage: { kind: 'waiting', until: { at: 0 as Instant, wall: 9_002_000 as UnixMs }, end: crash },
  };
  const rebased = rebaseMoments(state, later);
  assert.deepEqual(rebased.restarts, [{ at: 50 - 4_001_000, wall: 4_999_000 }]);
  assert.ok(rebased.stage.kind === 'waiting');
  assert.equal(rebased.stage.until.at, 2_050);
  const setBack = rebaseMoments(state, { at: 50 as Instant, wall: 1_000_000 as UnixMs });
  assert.ok(setBack.stage.kind === 'waiting');
  assert.equal(setBack.stage.until.at, 600_050);
});
