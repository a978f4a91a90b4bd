import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toText } from '#base/bytes';
import { readFile } from '../files.ts';
import { newProcessToken } from '../process-token.ts';
import type { Clock, ProcessExit, RunningProcess } from '../world.ts';
import type { WorldUnderTest } from './world-under-test.ts';

const patienceMs = 5_000;

/** The claims of the port `Processes`. */
export function processesConformance({ name, run, programs, startInAnotherLife }: WorldUnderTest): void {
  test(`processes (${name}): the exit code is told, and nothing is left`, () =>
    run(async ({ world: { processes, clock } }) => {
      const process = await processes.spawn(programs.exitWith(3));
      assert.deepEqual(await exitOf(process, clock), { code: 3, signal: undefined });
      assert.equal(await process.hasMembers(), false);
      assert.equal(await process.signal('SIGTERM'), false);
      assert.equal(await process.usage(), undefined);
      assert.equal(await processes.adopt(process.identity), undefined);
    }));

  test(`processes (${name}): output is appended to its file`, () =>
    run(async ({ world: { processes, clock, disk }, directory }) => {
      for (const text of ['one ', 'two']) {
        await exitOf(await processes.spawn({ ...programs.print(text), outputPath: `${directory}/out` }), clock);
      }
      assert.equal(toText((await readFile(disk, `${directory}/out`)) ?? new Uint8Array()), 'one two');
    }));

  test(`processes (${name}): a command that does not exist is NOT_FOUND and named`, () =>
    run(async ({ world: { processes } }) => {
      await assert.rejects(processes.spawn({ ...programs.waitForever(), command: 'no-such-program' }), { code: 'NOT_FOUND', message: /"no-such-program"/ });
    }));

  test(`processes (${name}): SIGTERM ends a program, SIGKILL one with all its children`, () =>
    run(async ({ world: { processes, clock } }) => {
      const polite = await processes.spawn(programs.waitForever());
      assert.equal(await polite.hasMembers(), true);
      assert.ok(((await polite.usage())?.memoryBytes ?? 0) > 0);
      await clock.sleep(100);
      assert.equal(await polite.signal('SIGTERM'), true);
      await exitOf(polite, clock);
      const family = await processes.spawn(programs.waitWithChild());
      await clock.sleep(100);
      await family.signal('SIGKILL');
      assert.deepEqual(await exitOf(family, clock), { code: undefined, signal: 'SIGKILL' });
      await untilEmpty(family, clock);
    }));

  test(`processes (${name}): a child that outlives the leader still counts and can still be killed`, () =>
    run(async ({ world: { processes, clock } }) => {
      const process = await processes.spawn(programs.leaveChild());
      assert.deepEqual(await exitOf(process, clock), { code: 0, signal: undefined });
      assert.equal(await process.hasMembers(), true);
      assert.equal(await process.signal('SIGKILL'), true);
      await untilEmpty(process, clock);
    }));

  test(`processes (${name}): a stopped program goes on after SIGCONT`, () =>
    run(async ({ world: { processes, clock } }) => {
      const process = await processes.spawn(programs.waitForever());
      await clock.sleep(100);
      await process.signal('SIGSTOP');
      await process.signal('SIGTERM');
      await clock.sleep(100);
      assert.equal(await process.hasMembers(), true);
      await process.signal('SIGCONT');
      await exitOf(process, clock);
    }));

  test(`processes (${name}): a process started in another life is adopted, watched and signalled`, () =>
    run(async (bench) => {
      const { processes, clock } = bench.world;
      const identity = await startInAnotherLife(bench, programs.waitForever());
      const adopted = await processes.adopt(identity);
      assert.ok(adopted);
      assert.deepEqual(adopted.identity, identity);
      assert.equal(await adopted.signal('SIGKILL'), true);
      assert.deepEqual(await exitOf(adopted, clock), { code: undefined, signal: undefined });
      assert.equal(await processes.adopt(identity), undefined);
    }));

  test(`processes (${name}): a leader that ended is adopted by the members it left, which can be killed`, () =>
    run(async (bench) => {
      const { processes, clock } = bench.world;
      const identity = await startInAnotherLife(bench, programs.leaveChild());
      await clock.sleep(200);
      const token = newProcessToken(bench.world.random);
      const byToken = await startInAnotherLife(bench, { ...programs.leaveChild(), token });
      await clock.sleep(200);
      for (const left of [await processes.adopt(identity), await processes.find(token)]) {
        assert.ok(left);
        assert.deepEqual(await exitOf(left, clock), { code: undefined, signal: undefined });
        assert.equal(await left.hasMembers(), true);
        assert.equal(await left.signal('SIGKILL'), true);
        await untilEmpty(left, clock);
      }
      assert.deepEqual([await processes.adopt(identity), await processes.adopt(byToken), await processes.find(token)], [undefined, undefined, undefined]);
    }));

  test(`processes (${name}): a process is found by the token its starter chose, and a token of nobody finds nothing`, () =>
    run(async (bench) => {
      const { processes, clock, random } = bench.world;
      const token = newProcessToken(random);
      assert.equal(await processes.find(token), undefined);
      const identity = await startInAnotherLife(bench, { ...programs.waitWithChild(), token });
      assert.equal(identity.token, token);
      await clock.sleep(200);
      const found = await processes.find(token);
      assert.deepEqual(found?.identity, identity);
      assert.equal(await found?.signal('SIGKILL'), true);
      assert.ok(found);
      assert.deepEqual(await exitOf(found, clock), { code: undefined, signal: undefined });
      await untilEmpty(found, clock);
      assert.equal(await processes.find(token), undefined);
    }));

  test(`processes (${name}): nothing is adopted that differs in pid, start, boot or token`, () =>
    run(async ({ world: { processes, clock, random } }) => {
      const process = await processes.spawn(programs.waitForever());
      const other = await processes.spawn(programs.waitForever());
      const { identity } = process;
      const impostors = [
        { ...identity, startTicks: identity.startTicks - 1 },
        { ...identity, bootId: 'another-boot' },
        { ...identity, token: newProcessToken(random) },
        { ...identity, pid: other.identity.pid, token: newProcessToken(random) },
      ];
      for (const impostor of impostors) assert.equal(await processes.adopt(impostor), undefined, JSON.stringify(impostor));
      assert.ok(await processes.adopt(identity));
      for (const one of [process, other]) {
        await one.signal('SIGKILL');
        await exitOf(one, clock);
      }
    }));
}

/** How it ended; fails if it does not. */
async function exitOf(process: RunningProcess, clock: Clock): Promise<ProcessExit> {
  const giveUp = new AbortController();
  const late = clock.sleep(patienceMs, giveUp.signal);
  const outcome = await Promise.race([process.exited, late.then(() => undefined)]);
  giveUp.abort();
  await late.catch(() => undefined);
  assert.ok(outcome, `process ${process.identity.pid} did not end within ${patienceMs} ms`);
  return outcome;
}

async function untilEmpty(process: RunningProcess, clock: Clock): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (!(await process.hasMembers())) return;
    await clock.sleep(20);
  }
  assert.fail(`group ${process.identity.pid} still has members`);
}
