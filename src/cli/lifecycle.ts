import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, messageOf, PlatformError } from '#base/errors';
import type { Address, Instant, RunningProcess, World } from '#world/world';
import { causeOfEnd, endOfLog, lastLinesOfLog } from './ended-part.ts';
import { addressesOf, type Home, pathsOf } from './home.ts';
import { endAll } from './supervisor/end-all.ts';
import { findRecorded, forgetRecorded, spawnRecorded } from './supervisor/keeper.ts';
import { takeLifecycleLock } from './supervisor/lifecycle-lock.ts';
import { spawnSpec } from './supervisor/spawn-spec.ts';

const READY_WITHIN_MS = 20_000;
const STOPPED_WITHIN_MS = 8_000;
const POLL_MS = 20;
const PROBE_TIMEOUT_MS = 500;
/** A control process that ends for this long, however often it is started, is not going to come up. */
const ENDS_FOR_MS = 2_000;
const SHOWN_LINES = 5;

/** The supervisor of this home, if it runs. */
export async function findSupervisor(world: World, home: Home): Promise<RunningProcess | undefined> {
  return await findRecorded(world, pathsOf(home).supervisor);
}

/**
 * Starts Haven in the background; resolves when its API answers. LOCKED if it runs already or a port is taken;
 * UNAVAILABLE, with why its control process ends or with the last lines of the logs, if it does not come up.
 */
export async function startHaven(world: World, home: Home, signal: AbortSignal): Promise<void> {
  const paths = pathsOf(home);
  for (const directory of [home.directory, paths.run, paths.logs]) await world.disk.makeDirectory(directory);
  const logStart = { supervisor: await endOfLog(home, 'supervisor'), control: await endOfLog(home, 'control') };
  const { supervisor, isAnew } = await startSupervisor(world, home, signal);

  const giveUp = new AbortController();
  const ended = supervisor.exited.then(() => giveUp.abort(new PlatformError('UNAVAILABLE', 'Cannot start Haven, because its supervisor ended')));
  try {
    await apiReady(world, home, { controlLogStart: logStart.control, signal: AbortSignal.any([signal, giveUp.signal]) });
  } catch (error) {
    const isExplained = (await causeOfEnd(home, { name: 'control', from: logStart.control })) !== undefined;
    const lines = isExplained ? [] : await lastLines(home, logStart);
    // What ran before this command is not for it to end.
    if (isAnew) await stopHaven(world, home);
    signal.throwIfAborted();
    const output = lines.length === 0 ? '' : `. The last lines of its logs:\n${lines.join('\n')}`;
    if (hasCode(error, 'LOCKED')) throw error;
    throw new PlatformError('UNAVAILABLE', `${messageOf(error)}${output}`, {}, { cause: error });
  }
  // Owned by nobody from here on: the supervisor outlives this command.
  void ended;
}

/** `isAnew`: no part of this cluster ran before. */
async function startSupervisor(world: World, home: Home, signal: AbortSignal): Promise<{ readonly supervisor: RunningProcess; readonly isAnew: boolean }> {
  using _lock = await takeLifecycleLock(world, home, signal);
  const running = await findSupervisor(world, home);
  if (running) throw alreadyRunning(home, running);
  const left = await leftRunning(world, home);
  await checkPortsFree(world, home, left);
  const spec = spawnSpec(home, { entry: '../supervisor/supervisor.main.ts', name: 'supervisor', args: [] });
  return { supervisor: await spawnRecorded(world, pathsOf(home).supervisor, spec), isAnew: left.size === 0 };
}

/** Stops Haven and all it runs. False if nothing was running. */
export async function stopHaven(world: World, home: Home): Promise<boolean> {
  if ((await world.disk.stat(pathsOf(home).run)) === undefined) return false;
  using _lock = await takeLifecycleLock(world, home);
  const supervisor = await findSupervisor(world, home);
  if (supervisor) {
    await supervisor.signal('SIGTERM');
    await endedWithin(world, supervisor, STOPPED_WITHIN_MS);
    await supervisor.signal('SIGKILL');
  }
  // What a supervisor that was killed, or did not get to the end in time, has left.
  await endAll(world, home);
  await forgetRecorded(world, pathsOf(home).supervisor);
  return supervisor !== undefined;
}

/** Resolves when the process has ended or the time is up. */
async function endedWithin(world: World, process: RunningProcess, limitMs: number): Promise<void> {
  const timeUp = Promise.withResolvers<void>();
  using _limit = world.clock.after(limitMs, timeUp.resolve);
  await Promise.race([process.exited, timeUp.promise]);
}

/** Says that one is running and how to reach it. */
export function alreadyRunning(home: Home, supervisor: RunningProcess): PlatformError {
  const { api, gateway } = addressesOf(home);
  return new PlatformError(
    'LOCKED',
    `Haven is already running here (pid ${supervisor.identity.pid}, ${home.directory}): apps at http://${gateway.host}:${gateway.port}, API at http://${api.host}:${api.port}. Next: "haven status" to see it, "haven down" to stop it, or another HAVEN_HOME and HAVEN_PORT_BASE for a second one`,
    { pid: supervisor.identity.pid, directory: home.directory, gateway: `http://${gateway.host}:${gateway.port}`, api: `http://${api.host}:${api.port}` },
  );
}

async function apiReady(world: World, home: Home, options: { readonly controlLogStart: number; readonly signal: AbortSignal }): Promise<void> {
  const { api } = addressesOf(home);
  const { controlLogStart: from, signal } = options;
  const deadline = world.clock.now() + READY_WITHIN_MS;
  let endsSince: Instant | undefined;
  while (true) {
    try {
      if (await answersOwn(world, home, signal)) return;
    } catch (error) {
      signal.throwIfAborted();
      if (hasCode(error, 'LOCKED')) throw error;
      const now = world.clock.now();
      const cause = await causeOfEnd(home, { name: 'control', from });
      endsSince = cause === undefined ? undefined : (endsSince ?? now);
      if (cause !== undefined && endsSince !== undefined && now - endsSince > ENDS_FOR_MS) {
        throw new PlatformError('UNAVAILABLE', `Cannot start Haven, because its control process ends again and again: ${cause}`);
      }
      if (now > deadline) {
        throw new PlatformError(
          'TIMEOUT',
          `Cannot start Haven, because its API did not answer at port ${api.port} within ${READY_WITHIN_MS / 1_000} s`,
          {},
          { cause: error },
        );
      }
    }
    await world.clock.sleep(POLL_MS, signal);
  }
}

/** Whether this cluster's own API answers. LOCKED if it is that of another cluster, which does not know this one's token. */
async function answersOwn(world: World, home: Home, signal: AbortSignal): Promise<boolean> {
  const { api } = addressesOf(home);
  if (!(await answersHealthz(world, api, signal))) return false;
  const token = (await readFile(pathsOf(home).token, 'utf8')).trim();
  const request = { method: 'GET', path: '/v1/store/list?prefix=/pools/', headers: { authorization: `Bearer ${token}` } };
  const { status, body } = await world.network.request(api, request, { timeoutMs: PROBE_TIMEOUT_MS, signal });
  for await (const _chunk of body);
  if (status !== 401) return status === 200;
  throw new PlatformError(
    'LOCKED',
    `Cannot start Haven, because another cluster answers at port ${api.port}. Next: stop that one, or set HAVEN_PORT_BASE to another number`,
    {
      port: api.port,
    },
  );
}

/** One question; an error means nobody listens. */
export async function answersHealthz(world: World, api: Address, signal: AbortSignal): Promise<boolean> {
  const { status, body } = await world.network.request(api, { method: 'GET', path: '/healthz' }, { timeoutMs: PROBE_TIMEOUT_MS, signal });
  for await (const _chunk of body);
  return status === 200;
}

/** Parts of this cluster whose supervisor was killed, by the names of their records: the next one takes them over. */
async function leftRunning(world: World, home: Home): Promise<ReadonlySet<string>> {
  const { run } = pathsOf(home);
  const names = (await world.disk.list(run).catch(() => [])).flatMap((file) => /^(.+)\.json$/.exec(file)?.[1] ?? []);
  const running = await Promise.all(names.map((name) => findRecorded(world, join(run, `${name}.json`))));
  return new Set(names.filter((_name, index) => running[index] !== undefined));
}

const PART_BY_ADDRESS = { api: 'control', gateway: 'gateway', gatewayAdmin: 'gateway' } as const satisfies Record<keyof ReturnType<typeof addressesOf>, string>;

/** LOCKED, with what to do, if something other than the cluster's own parts listens at one of its addresses. */
async function checkPortsFree(world: World, home: Home, left: ReadonlySet<string>): Promise<void> {
  for (const [what, address] of Object.entries(addressesOf(home))) {
    if (left.has(PART_BY_ADDRESS[what as keyof typeof PART_BY_ADDRESS])) continue;
    const taken = await world.network.probe(address, { timeoutMs: PROBE_TIMEOUT_MS }).then(
      () => true,
      () => false,
    );
    if (taken) {
      throw new PlatformError(
        'LOCKED',
        `Cannot start Haven, because port ${address.port}, meant for its ${what}, is in use by another program. Next: stop that program, or set HAVEN_PORT_BASE to another number`,
        { port: address.port },
      );
    }
  }
}

async function lastLines(home: Home, from: Readonly<Record<'supervisor' | 'control', number>>): Promise<readonly string[]> {
  const names = ['supervisor', 'control'] as const;
  const lines = await Promise.all(names.map((name) => lastLinesOfLog(home, { name, from: from[name], count: SHOWN_LINES })));
  return lines.flatMap((own, index) => own.filter((line) => line !== '').map((line) => `  ${names[index]}: ${line}`));
}
