import { spawn as spawnChild } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, type FileHandle, open, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { assert } from '#base/assert';
import { messageOf, PlatformError } from '#base/errors';
import type { Log, ProcessExit, Processes, ProcessIdentity, ProcessSpec, RunningProcess } from '../world.ts';
import { type Cgroup, type CgroupSupport, createCgroup, detectCgroups, findCgroup } from './cgroup.ts';
import { ExitWatch, hasEnded } from './exit-watch.ts';
import { isLiving, listProcesses, type ProcessFacts, readBootId, readProcessFacts, readProcessFactsNow } from './process-facts.ts';
import { isMarked, NodeRunningProcess } from './running-process.ts';

const defaultPath = '/usr/local/bin:/usr/bin:/bin';

// Enters the groups and then becomes the command: the pid and the start time stay, and nothing of the command runs outside its limits.
const JOIN_SCRIPT =
  'count=$1; shift; while [ "$count" -gt 0 ]; do echo $$ > "$1" || exit 126; shift; count=$((count - 1)); done; unset count PWD OLDPWD SHLVL _; exec "$@"';

/** Linux processes: own session and group, told apart for ever by pid, start time, boot and token. */
export class NodeProcesses implements Processes {
  readonly #log: Log;
  #support: Promise<CgroupSupport> | undefined;
  #bootId: Promise<string> | undefined;
  readonly #warned = new Set<string>();
  readonly #exits = new ExitWatch();

  constructor(log: Log) {
    this.#log = log;
  }

  async spawn(spec: ProcessSpec): Promise<RunningProcess> {
    requireLinux('start');
    await requireDirectory(spec.workingDirectory);
    const command = await findCommand(spec);
    const token = spec.token ?? randomBytes(16).toString('hex');
    const cgroup = await this.#createCgroup(spec, token);
    const bootId = await this.#readBootId();
    await using output = await openOutput(spec.outputPath);
    const joining = cgroup ? cgroup.directories.map((directory) => join(directory, 'cgroup.procs')) : [];
    const child = spawnChild(
      cgroup ? '/bin/sh' : command,
      cgroup ? ['-c', JOIN_SCRIPT, 'haven-start', String(joining.length), ...joining, command, ...spec.args] : [...spec.args],
      {
        cwd: spec.workingDirectory,
        env: { ...spec.environment, HAVEN_TOKEN: token },
        detached: true,
        stdio: ['ignore', output?.fd ?? 'ignore', output?.fd ?? 'ignore'],
        ...(cgroup ? {} : { argv0: spec.command }),
      },
    );
    const exit = Promise.withResolvers<ProcessExit>();
    let isOurChild = true;
    child.once('exit', (code, signal) => {
      isOurChild = false;
      exit.resolve({ code: code ?? undefined, signal: signal ?? undefined });
    });
    const failed = Promise.withResolvers<never>();
    child.once('error', failed.reject);
    if (child.pid === undefined) return await failed.promise.catch((error: unknown) => throwSpawnError(spec, error));
    failed.promise.catch((error: unknown) => this.#log.write('warn', 'A started process reported a failure', { pid: child.pid ?? 0, error: messageOf(error) }));
    // Before the next turn of the event loop our child cannot be reaped, so this pid is surely its own.
    const facts = readProcessFactsNow(child.pid);
    assert(facts, `process ${child.pid} is our child and not in /proc`);
    child.unref();
    const identity = { pid: child.pid, startTicks: facts.startTicks, bootId, token };
    return new NodeRunningProcess({ identity, exited: exit.promise, cgroup, isOurChild: () => isOurChild });
  }

  async adopt(identity: ProcessIdentity): Promise<RunningProcess | undefined> {
    requireLinux('adopt');
    if (identity.bootId !== (await this.#readBootId())) return undefined;
    const { pid, token } = identity;
    if (!(await isSameProcess(identity))) return await this.#adoptMembers(identity);
    const cgroup = await findCgroup([pid], cgroupName(token));
    // The pid could have changed hands between the look at the time and the look at the token.
    if (!(await isMarked(pid, token, cgroup)) || !(await isSameProcess(identity))) return await this.#adoptMembers(identity);
    return new NodeRunningProcess({ identity, exited: this.#exits.watch(identity), cgroup, isOurChild: () => false });
  }

  async find(token: string): Promise<RunningProcess | undefined> {
    requireLinux('find');
    const { marked, cgroup } = await findMarked(token);
    const oldest = marked.toSorted((a, b) => a.startTicks - b.startTicks || a.pid - b.pid);
    const pids = new Set(marked.map((facts) => facts.pid));
    // A child may lead a session of its own, but then we are not its parent.
    const leader = oldest.find((facts) => facts.pid === facts.groupId && facts.pid === facts.sessionId && !pids.has(facts.parentId));
    const first = leader ?? oldest[0];
    if (!first) return undefined;
    const identity = { pid: leader?.pid ?? first.groupId, startTicks: first.startTicks, bootId: await this.#readBootId(), token };
    return new NodeRunningProcess({ identity, exited: leader ? this.#exits.watch(identity) : hasEnded, cgroup, isOurChild: () => false });
  }

  /** The members that a leader which has ended left behind. */
  async #adoptMembers(identity: ProcessIdentity): Promise<RunningProcess | undefined> {
    const { marked, cgroup } = await findMarked(identity.token);
    // A marked process with the leader's pid and another start is not what the record names.
    if (marked.length === 0 || marked.some((facts) => facts.pid === identity.pid)) return undefined;
    return new NodeRunningProcess({ identity, exited: hasEnded, cgroup, isOurChild: () => false });
  }

  async #createCgroup(spec: ProcessSpec, token: string): Promise<Cgroup | undefined> {
    const { cgroup, unmet } = await createCgroup(await this.#detect(), cgroupName(token), spec.limits ?? {});
    for (const reason of unmet.filter((text) => !this.#warned.has(text))) {
      this.#warned.add(reason);
      this.#log.write('warn', 'A process runs without the limit it was given', { reason });
    }
    return cgroup;
  }

  #detect(): Promise<CgroupSupport> {
    this.#support ??= detectCgroups();
    return this.#support;
  }

  #readBootId(): Promise<string> {
    this.#bootId ??= readBootId();
    return this.#bootId;
  }
}

/** Half of the token: enough to be unique, and the folder's name does not give away the rest. */
function cgroupName(token: string): string {
  assert(/^[0-9a-f]{32}$/.test(token), 'a process token is 32 hexadecimal digits');
  return token.slice(0, 16);
}

async function isSameProcess(identity: ProcessIdentity): Promise<boolean> {
  const facts = await readProcessFacts(identity.pid);
  return facts !== undefined && isLiving(facts) && facts.startTicks === identity.startTicks;
}

/** Every living process with the token, or in the group named after it. */
async function findMarked(token: string): Promise<{ readonly marked: readonly ProcessFacts[]; readonly cgroup: Cgroup | undefined }> {
  // Twice: a process can pass from parent to child between the folders of the first look.
  for (let looks = 0; looks < 2; looks++) {
    const living = await listProcesses();
    const cgroup = await findCgroup(
      living.map((facts) => facts.pid),
      cgroupName(token),
    );
    const marked: ProcessFacts[] = [];
    for (const facts of living) if (await isMarked(facts.pid, token, cgroup)) marked.push(facts);
    if (marked.length > 0) return { marked, cgroup };
  }
  return { marked: [], cgroup: undefined };
}

async function findCommand(spec: ProcessSpec): Promise<string> {
  const candidates = spec.command.includes('/')
    ? [isAbsolute(spec.command) ? spec.command : resolve(spec.workingDirectory, spec.command)]
    : (spec.environment.PATH ?? defaultPath).split(delimiter).map((directory) => resolve(spec.workingDirectory, directory, spec.command));
  for (const candidate of candidates) {
    if (await isExecutable(candidate)) return candidate;
  }
  const where = spec.command.includes('/') ? 'there is no such program' : `it is in no folder of PATH=${spec.environment.PATH ?? defaultPath}`;
  throw new PlatformError('NOT_FOUND', `Cannot start "${spec.command}", because ${where}`, { command: spec.command });
}

async function isExecutable(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isFile()) return false;
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function requireDirectory(path: string): Promise<void> {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory()) return;
  throw new PlatformError('NOT_FOUND', `Cannot start a process in "${path}", because there is no such folder`, { workingDirectory: path });
}

async function openOutput(path: string | undefined): Promise<FileHandle | undefined> {
  if (path === undefined) return undefined;
  try {
    return await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw new PlatformError('INVALID', `Cannot write the output of a process to "${path}": ${messageOf(error)}`, { outputPath: path }, { cause: error });
  }
}

function throwSpawnError(spec: ProcessSpec, error: unknown): never {
  const systemCode = (error as NodeJS.ErrnoException).code;
  const code =
    systemCode === 'ENOENT' ? 'NOT_FOUND' : systemCode === 'EAGAIN' || systemCode === 'EMFILE' ? 'LIMIT' : systemCode === 'EACCES' ? 'DENIED' : 'INVALID';
  throw new PlatformError(code, `Cannot start "${spec.command}": ${messageOf(error)}`, { command: spec.command, systemCode }, { cause: error });
}

function requireLinux(verb: string): void {
  if (process.platform === 'linux') return;
  throw new PlatformError('UNSUPPORTED', `Cannot ${verb} a process, because Haven runs them on Linux only`, { platform: process.platform });
}
