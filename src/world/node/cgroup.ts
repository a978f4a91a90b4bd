import { access, constants, mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '#base/errors';
import type { ProcessLimits } from '../world.ts';

/** What this machine lets us do with control groups, and why not where not. */
export interface CgroupSupport {
  readonly kind: 'v2' | 'v1' | 'none';
  /** Where the groups of Haven are made, by controller. With v2 all are the same folder. */
  readonly parents: Readonly<Record<Controller, string | undefined>>;
  /** One sentence for each thing that does not work; empty if all does. */
  readonly reasons: readonly string[];
}

type Controller = 'cpu' | 'memory' | 'freezer';
const CONTROLLERS: readonly Controller[] = ['cpu', 'memory', 'freezer'];

/** The folders of one process's group, one with v2, up to three with v1. */
export interface Cgroup {
  readonly kind: 'v2' | 'v1';
  readonly directories: readonly string[];
  /** v1: where the freezer is, which makes killing a fork bomb certain. */
  readonly freezer: string | undefined;
}

const parentName = 'haven';
/** A group younger than this may be one whose process is just being started by another agent of this machine. */
const sweepAfterMs = 60_000;
const sweepEveryMs = 300_000;
/** How often a group is killed again because its members went on forking. */
const maxKillRounds = 20;

/** Looks which of cgroup v2 and v1 can be used here. Changes nothing. */
export async function detectCgroups(options: { readonly mounts?: string; readonly own?: string } = {}): Promise<CgroupSupport> {
  const nothing = { cpu: undefined, memory: undefined, freezer: undefined };
  if (process.platform !== 'linux') return { kind: 'none', parents: nothing, reasons: ['Control groups exist on Linux only'] };
  const mounts = parseMounts(options.mounts ?? (await readFile('/proc/self/mounts', 'utf8')));
  const own = parseOwnGroups(options.own ?? (await readFile('/proc/self/cgroup', 'utf8')));
  const reasons: string[] = [];
  if (mounts.v2 !== undefined) {
    const controllers = (await readFile(join(mounts.v2, 'cgroup.controllers'), 'utf8')).trim().split(' ');
    const missing = ['cpu', 'memory'].filter((controller) => !controllers.includes(controller));
    if (missing.length === 0) {
      const parent = join(mounts.v2, parentName);
      if (await isWritable(mounts.v2, parent)) return { kind: 'v2', parents: { cpu: parent, memory: parent, freezer: parent }, reasons };
      reasons.push(`cgroup v2 at ${mounts.v2} is not writable for this user`);
    } else {
      reasons.push(`cgroup v2 at ${mounts.v2} lacks the controllers ${missing.join(', ')}`);
    }
  }
  const parents: Record<Controller, string | undefined> = { ...nothing };
  for (const controller of CONTROLLERS) {
    const mount = mounts.v1.get(controller);
    if (mount === undefined) {
      reasons.push(`cgroup v1 has no controller ${controller}`);
      continue;
    }
    // Below our own group, so that whatever bounds this program bounds its instances too.
    const base = join(mount, own.get(controller) ?? '/');
    const parent = join(base, parentName);
    if (await isWritable(base, parent)) parents[controller] = parent;
    else reasons.push(`cgroup v1 ${controller} at ${base} is not writable for this user`);
  }
  return { kind: CONTROLLERS.some((controller) => parents[controller]) ? 'v1' : 'none', parents, reasons };
}

/**
 * Makes the group called `name` with these limits. `unmet` says which limits this machine cannot hold; the group is `undefined` when there can be none.
 * Now and then old empty groups are removed.
 */
export async function createCgroup(
  support: CgroupSupport,
  name: string,
  limits: ProcessLimits,
): Promise<{ readonly cgroup: Cgroup | undefined; readonly unmet: readonly string[] }> {
  const kind = support.kind === 'v2' ? 'v2' : 'v1';
  const unmet: string[] = [];
  const directories = new Map<string, string>();
  const wanted: readonly Controller[] = [
    'freezer',
    ...(limits.cpu === undefined ? [] : (['cpu'] as const)),
    ...(limits.memoryBytes === undefined ? [] : (['memory'] as const)),
  ];
  for (const controller of wanted) {
    const parent = support.parents[controller];
    try {
      if (parent === undefined) throw new Error(support.reasons.find((reason) => reason.includes(controller)) ?? `no controller ${controller}`);
      if (!directories.has(parent)) {
        await makeParent(kind, parent);
        sweepSometimes(parent);
        await mkdir(join(parent, name), { recursive: true });
        directories.set(parent, join(parent, name));
      }
      await writeLimit(kind, controller, directories.get(parent) ?? '', limits);
    } catch (error) {
      if (controller !== 'freezer') unmet.push(`The limit of ${controller} cannot be held: ${messageOf(error)}`);
    }
  }
  const freezer = support.parents.freezer;
  return {
    cgroup: directories.size === 0 ? undefined : { kind, directories: [...directories.values()], freezer: freezer && directories.get(freezer) },
    unmet,
  };
}

/** The group called `name` if one of the processes is in it, whichever program of Haven made it and wherever. */
export async function findCgroup(pids: readonly number[], name: string): Promise<Cgroup | undefined> {
  const mounts = parseMounts(await readFile('/proc/self/mounts', 'utf8'));
  for (const pid of pids) {
    const text = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(absent(''));
    const cgroup = text.includes(`/${parentName}/${name}`) ? namedCgroup(text, { mounts, name }) : undefined;
    if (cgroup) return cgroup;
  }
  return undefined;
}

function namedCgroup(text: string, { mounts, name }: { readonly mounts: Mounts; readonly name: string }): Cgroup | undefined {
  const groups = parseOwnGroups(text);
  const found = new Map<string, string>();
  for (const [controller, path] of groups) {
    const mount = controller === '' ? mounts.v2 : mounts.v1.get(controller);
    if (mount !== undefined && path.endsWith(`/${parentName}/${name}`)) found.set(controller, join(mount, path));
  }
  if (found.size === 0) return undefined;
  return { kind: found.has('') ? 'v2' : 'v1', directories: [...new Set(found.values())], freezer: found.get('freezer') };
}

/** Pids of the group's members, zombies included. */
export async function cgroupMembers(cgroup: Cgroup): Promise<readonly number[]> {
  const pids = new Set<number>();
  for (const directory of cgroup.directories) {
    const text = await readFile(join(directory, 'cgroup.procs'), 'utf8').catch(absent(''));
    for (const line of text.split('\n')) if (line !== '') pids.add(Number(line));
  }
  return [...pids];
}

/** Kills every member with SIGKILL, however fast they fork. */
export async function killCgroup(cgroup: Cgroup, kill: (pid: number) => void): Promise<void> {
  if (cgroup.kind === 'v2') {
    for (const directory of cgroup.directories) await writeFile(join(directory, 'cgroup.kill'), '1').catch(absent(undefined));
    return;
  }
  for (let round = 0; round < maxKillRounds; round++) {
    if (cgroup.freezer) await writeFile(join(cgroup.freezer, 'freezer.state'), 'FROZEN').catch(absent(undefined));
    const pids = await cgroupMembers(cgroup);
    for (const pid of pids) kill(pid);
    if (cgroup.freezer) await writeFile(join(cgroup.freezer, 'freezer.state'), 'THAWED').catch(absent(undefined));
    if (pids.length === 0 || cgroup.freezer) return;
  }
}

/** Removes the group's folders, and with v1 their parents too when no group is left; folders with members stay. */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  for (const directory of cgroup.directories) {
    await removeEmpty(directory);
    if (cgroup.kind === 'v1') await removeEmpty(join(directory, '..'));
  }
}

interface Mounts {
  readonly v2: string | undefined;
  readonly v1: ReadonlyMap<string, string>;
}

function parseMounts(text: string): Mounts {
  let v2: string | undefined;
  const v1 = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, path = '', type, flags = ''] = line.split(' ');
    if (type === 'cgroup2') v2 ??= path;
    if (type !== 'cgroup') continue;
    for (const controller of flags.split(',')) if (!v1.has(controller)) v1.set(controller, path);
  }
  return { v2, v1 };
}

function parseOwnGroups(text: string): ReadonlyMap<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, controllers = '', path = '/'] = line.split(':');
    for (const controller of controllers.split(',')) groups.set(controller, path);
  }
  return groups;
}

async function isWritable(base: string, parent: string): Promise<boolean> {
  const path = (await exists(parent)) ? parent : base;
  return await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

async function makeParent(kind: 'v1' | 'v2', parent: string): Promise<void> {
  await mkdir(parent, { recursive: true });
  if (kind === 'v1') return;
  // A v2 controller works in a group only when every group above hands it down.
  for (const directory of [join(parent, '..'), parent]) await writeFile(join(directory, 'cgroup.subtree_control'), '+cpu +memory');
}

const cpuPeriodUs = 100_000;

async function writeLimit(kind: 'v1' | 'v2', controller: Controller, directory: string, limits: ProcessLimits): Promise<void> {
  if (controller === 'cpu' && limits.cpu !== undefined) {
    // The kernel refuses a quota below 1 ms.
    const quotaUs = Math.max(1_000, Math.round(limits.cpu * cpuPeriodUs));
    if (kind === 'v2') return await writeFile(join(directory, 'cpu.max'), `${quotaUs} ${cpuPeriodUs}`);
    await writeFile(join(directory, 'cpu.cfs_period_us'), String(cpuPeriodUs));
    await writeFile(join(directory, 'cpu.cfs_quota_us'), String(quotaUs));
  }
  if (controller === 'memory' && limits.memoryBytes !== undefined) {
    await writeFile(join(directory, kind === 'v2' ? 'memory.max' : 'memory.limit_in_bytes'), String(limits.memoryBytes));
  }
}

/** When each parent was swept last. */
const sweptAt = new Map<string, number>();

/** In the background, because the kernel takes its time to remove a group and nobody who starts a process should wait for the groups of others. */
function sweepSometimes(parent: string): void {
  const now = Date.now();
  if (now - (sweptAt.get(parent) ?? Number.NEGATIVE_INFINITY) < sweepEveryMs) return;
  sweptAt.set(parent, now);
  // What cannot be removed now is tried again by the next sweep.
  sweep(parent).catch(() => undefined);
}

async function sweep(parent: string): Promise<void> {
  for (const entry of await readdir(parent, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const directory = join(parent, entry.name);
    const stats = await stat(directory).catch(absent(undefined));
    if (stats && Date.now() - stats.ctimeMs > sweepAfterMs) await removeEmpty(directory);
  }
}

async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'EBUSY') throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(absent(undefined))) !== undefined;
}

/** For `catch`: the value when the file or folder has gone meanwhile; any other error goes on. */
function absent<Value>(value: Value): (error: NodeJS.ErrnoException) => Value {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ESRCH' || error.code === 'ENODEV' || error.code === 'EACCES') return value;
    throw error;
  };
}
