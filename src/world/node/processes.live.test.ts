import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { processesConformance } from '../conformance/processes-conformance.ts';
import { realWorld } from '../conformance/real-world.ts';
import { createCgroup, detectCgroups, removeCgroup } from './cgroup.ts';
import { nodeWorld } from './node-world.ts';
import { NodeRunningProcess } from './running-process.ts';

processesConformance(realWorld());

const world = nodeWorld({ logLevel: 'error', logName: 'test', writeLog: () => undefined });
const environment = { PATH: process.env.PATH ?? '/usr/bin:/bin' };

function shell(script: string) {
  return { command: 'sh', args: ['-c', script], workingDirectory: tmpdir(), environment };
}

test('signal refuses a pid that has passed to another process', async () => {
  const bystander = await world.processes.spawn(shell('exec sleep 60'));
  const never = Promise.withResolvers<never>().promise;
  const differences = [{ startTicks: bystander.identity.startTicks + 1 }, { token: '0'.repeat(32) }];
  for (const difference of differences) {
    const impostor = new NodeRunningProcess({ identity: { ...bystander.identity, ...difference }, exited: never, cgroup: undefined, isOurChild: () => false });
    assert.deepEqual([await impostor.signal('SIGKILL'), await impostor.hasMembers()], [false, false]);
  }
  assert.equal(await bystander.hasMembers(), true);
  await bystander.signal('SIGKILL');
  await bystander.exited;
});

test('children that made a session of their own and forgot their environment are killed too, where a cgroup holds them', async (context) => {
  const support = await detectCgroups();
  if (!support.parents.freezer) return context.skip(support.reasons.join('; '));
  const family = await world.processes.spawn(shell(`env -i setsid sleep ${own(61)} & (setsid sleep ${own(62)} &) ; wait`));
  await untilSleeping([own(61), own(62)]);
  await family.signal('SIGKILL');
  assert.equal(await family.hasMembers(), false);
  assert.deepEqual(await sleepers([own(61), own(62)]), []);
});

test('a child with a session of its own is found by its token where there is no cgroup', async () => {
  const started = await world.processes.spawn(shell(`setsid sleep ${own(63)} & wait`));
  await untilSleeping([own(63)]);
  const seen = new NodeRunningProcess({ identity: started.identity, exited: started.exited, cgroup: undefined, isOurChild: () => false });
  await seen.signal('SIGKILL');
  assert.equal(await seen.hasMembers(), false);
  assert.deepEqual(await sleepers([own(63)]), []);
});

test('a memory limit ends a program that takes more, and its groups are removed', async (context) => {
  const support = await detectCgroups();
  if (!support.parents.memory) return context.skip(support.reasons.join('; '));
  const greedy = await world.processes.spawn({
    command: process.execPath,
    args: ['-e', 'const kept = []; for (;;) kept.push(Buffer.alloc(8e6, 1));'],
    workingDirectory: tmpdir(),
    environment,
    limits: { memoryBytes: 96 * 2 ** 20 },
  });
  const giveUp = new AbortController();
  const late = world.clock.sleep(10_000, giveUp.signal).catch(() => undefined);
  const exit = await Promise.race([greedy.exited, late.then(() => undefined)]);
  giveUp.abort();
  assert.equal(exit?.signal, 'SIGKILL');
  const name = greedy.identity.token.slice(0, 16);
  const left = await readdir(support.parents.memory).catch((): string[] => []);
  assert.equal(left.includes(name), false);
});

test('a cpu limit slows a busy program down', async (context) => {
  const support = await detectCgroups();
  if (!support.parents.cpu) return context.skip(support.reasons.join('; '));
  const busy = await world.processes.spawn({ ...shell('while :; do :; done'), limits: { cpu: 0.1 } });
  await world.clock.sleep(1_000);
  const usage = await busy.usage();
  await busy.signal('SIGKILL');
  await busy.exited;
  assert.ok(usage && usage.cpuMs <= 400, `used ${usage?.cpuMs} ms of cpu in a second at a tenth of a core`);
});

test('detectCgroups says why where it cannot', async () => {
  const none = await detectCgroups({ mounts: 'tmpfs / tmpfs rw 0 0\n', own: '0::/\n' });
  assert.equal(none.kind, 'none');
  assert.equal(none.reasons.length, 3);
  const { cgroup, unmet } = await createCgroup(none, 'abc', { cpu: 1 });
  assert.equal(cgroup, undefined);
  assert.equal(unmet.length, 1);
  if (cgroup) await removeCgroup(cgroup);
});

/** Which of these sleeps still run. */
/** A duration that only this process's tests sleep. */
function own(seconds: number): string {
  return `${seconds}.${process.pid}`;
}

/** Resolves when all of them have begun. */
async function untilSleeping(seconds: readonly string[]): Promise<void> {
  for (let round = 0; (await sleepers(seconds)).length < seconds.length; round++) {
    assert.ok(round < 1_000, `${seconds.join(' and ')} do not sleep`);
    await world.clock.sleep(20);
  }
}

async function sleepers(seconds: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    for (const second of seconds) if (line === `sleep\0${second}\0`) found.push(second);
  }
  return found;
}
