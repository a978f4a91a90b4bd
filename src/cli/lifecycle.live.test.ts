import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PlatformError } from '#base/errors';
import { nodeWorld } from '#world/node/node-world';
import { freePortBase } from './demo/port-base.ts';
import { type Home, pathsOf } from './home.ts';
import { findSupervisor, startHaven, stopHaven } from './lifecycle.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });
const signal = AbortSignal.timeout(100_000);

test('of two commands that start Haven at once one does and the other says so: there is one supervisor', async () => {
  await using home = await temporaryHome();
  const outcomes = await Promise.allSettled([startHaven(world, home, signal), startHaven(world, home, signal)]);
  deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  for (const outcome of outcomes) if (outcome.status === 'rejected') match(String(outcome.reason), /Haven is already running here/);
  equal((await supervisorsOf(home)).length, 1);
  await stopHaven(world, home);
  deepEqual(await processesOf(home), []);
});

test('a start while Haven is stopped waits for the end, and what it starts stays', async () => {
  await using home = await temporaryHome();
  await startHaven(world, home, signal);
  const stopping = stopHaven(world, home);
  await startHaven(world, home, signal);
  equal(await stopping, true);
  const supervisor = await findSupervisor(world, home);
  deepEqual(await supervisorsOf(home), [supervisor?.identity.pid]);
  await stopHaven(world, home);
  deepEqual(await processesOf(home), []);
});

test('a control process that cannot start is told with its cause, and nothing is left running', async () => {
  await using home = await temporaryHome();
  await startHaven(world, home, signal);
  await stopHaven(world, home);
  const { store } = pathsOf(home);
  for (const name of await readdir(store)) {
    const bytes = await readFile(join(store, name));
    for (let at = 4_096; at < bytes.length; at += 64) bytes[at] = (bytes[at] ?? 0) ^ 4;
    await writeFile(join(store, name), bytes);
  }
  const error = await startHaven(world, home, signal).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  ok(error instanceof PlatformError, String(error));
  match(
    error.message,
    /^Cannot start Haven, because its control process ends again and again: Cannot open the store in ".*state\.db", because SQLite finds it damaged: [^*]*; .*Restore the folder from a backup/,
  );
  deepEqual(await processesOf(home), []);
});

test('the API of another cluster is not taken for the own one', async () => {
  await using first = await temporaryHome();
  await using second = await temporaryHome();
  const { portBase } = first;
  // Both see the ports free, as two that start in the same moment do.
  const outcomes = await Promise.allSettled([startHaven(world, first, signal), startHaven(world, { ...second, portBase }, signal)]);
  deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') match(String(outcome.reason), /another (?:cluster answers at port|process has the port)|is in use by another program/);
  const loser = outcomes[0]?.status === 'rejected' ? first : second;
  deepEqual(await processesOf(loser), []);
});

async function temporaryHome(): Promise<Home & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-lifecycle-'));
  const home = { directory, portBase: await freePortBase() };
  return {
    ...home,
    async [Symbol.asyncDispose]() {
      await stopHaven(world, home);
      for (const { pid } of await processesOf(home)) process.kill(pid, 'SIGKILL');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function supervisorsOf(home: Home): Promise<readonly number[]> {
  return (await processesOf(home)).filter(({ command }) => command.includes('supervisor.main.ts')).map(({ pid }) => pid);
}

async function processesOf(home: Home): Promise<readonly { readonly pid: number; readonly command: string }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [environment = '', command = ''] = await Promise.all(
        ['environ', 'cmdline'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
      );
      return environment.includes(`HAVEN_HOME=${home.directory}\0`) ? [{ pid: Number(pid), command: command.replaceAll('\0', ' ') }] : [];
    }),
  );
  return found.flat();
}
