import { messageOf, PlatformError } from '#base/errors';
import { newProcessToken } from '../process-token.ts';
import type { ProcessExit, Processes, ProcessIdentity, ProcessSignal, ProcessSpec, RunningProcess, World } from '../world.ts';
import type { Generator } from './generator.ts';
import type { Life } from './life.ts';
import type { Program, ProgramContext } from './program.ts';

const spawnDelayMs = 3;
const findDelayMs = 5;
const ticksPerMs = 0.1;
/** How often a host looks whether a process it is not the parent of still runs. */
const exitPollMs = 250;
const memoryBytesOfEach = 16 * 2 ** 20;

interface Member {
  readonly pid: number;
  readonly life: Life;
  readonly abort: AbortController;
}

/** What a look at a host from outside tells of one group of processes. */
export interface RunningProgram {
  readonly identity: ProcessIdentity;
  readonly spec: ProcessSpec;
}

interface Group {
  readonly identity: ProcessIdentity;
  readonly spec: ProcessSpec;
  readonly startedAtMs: number;
  readonly members: Map<number, Member>;
  /** Told in the life of whoever waits. */
  readonly waiting: Set<(exit: ProcessExit) => void>;
}

export interface ProcessTableParts {
  readonly life: Life;
  readonly bootId: string;
  readonly generator: Generator;
  readonly nowMs: () => number;
  readonly programs: ReadonlyMap<string, Program>;
  /** A world for a program called `name` that lives in `life`. */
  readonly world: (life: Life, name: string) => World;
  readonly append: (path: string, text: string) => void;
  readonly trace: (text: string) => void;
}

/** The processes of one incarnation of a host. */
export class ProcessTable {
  readonly #parts: ProcessTableParts;
  readonly #groups = new Map<number, Group>();
  #nextPid = 100;

  constructor(parts: ProcessTableParts) {
    this.#parts = parts;
  }

  /** The table as a program sees it that lives in `life`. */
  view(life: Life): Processes {
    return {
      spawn: (spec) => life.answer(spawnDelayMs, () => this.#handle(this.#spawn(spec), life, 0)),
      adopt: (identity) =>
        life.answer(1, () => {
          const group = this.#groups.get(identity.pid);
          return group && isEqual(group.identity, identity) ? this.#handle(group, life, exitPollMs) : undefined;
        }),
      find: (token) =>
        life.answer(findDelayMs, () => {
          const group = [...this.#groups.values()].find(({ identity }) => identity.token === token);
          return group && this.#handle(group, life, exitPollMs);
        }),
    };
  }

  /** Groups of which any process lives, by age: for a test that looks from outside. */
  get running(): readonly RunningProgram[] {
    return [...this.#groups.values()].map(({ identity, spec }) => ({ identity, spec }));
  }

  /** SIGKILL to one process only, as from the kernel when memory is short: its group lives on. */
  kill(pid: number): void {
    for (const group of [...this.#groups.values()]) this.#end(group, pid, { code: undefined, signal: 'SIGKILL' });
  }

  /** For tests of pid reuse: the next process gets this pid, or the first free one after it. */
  setNextPid(pid: number): void {
    this.#nextPid = pid;
  }

  #spawn(spec: ProcessSpec): Group {
    const program = this.#parts.programs.get(spec.command);
    if (!program) throw new PlatformError('NOT_FOUND', `Cannot start "${spec.command}", because there is no such program`, { command: spec.command });
    const pid = this.#freePid();
    const token = spec.token ?? newProcessToken(this.#parts.generator);
    const identity = { pid, startTicks: Math.floor(this.#parts.nowMs() * ticksPerMs), bootId: this.#parts.bootId, token };
    const group: Group = { identity, spec, startedAtMs: this.#parts.nowMs(), members: new Map(), waiting: new Set() };
    this.#groups.set(pid, group);
    this.#run({ group, pid, program, spec, args: spec.args });
    return group;
  }

  #run(start: { readonly group: Group; readonly pid: number; readonly program: Program; readonly spec: ProcessSpec; readonly args: readonly string[] }): void {
    const { group, pid, program, spec, args } = start;
    const life = this.#parts.life.child();
    const abort = new AbortController();
    group.members.set(pid, { pid, life, abort });
    const print = (text: string): void => {
      if (spec.outputPath !== undefined && !life.isEnded) this.#parts.append(spec.outputPath, text);
    };
    const context: ProgramContext = {
      world: this.#parts.world(life, `${spec.command}[${pid}]`),
      signal: abort.signal,
      arguments: args,
      environment: { ...spec.environment, HAVEN_TOKEN: group.identity.token },
      workingDirectory: spec.workingDirectory,
      print,
      fork: (command, forkArgs = []) => {
        const forked = this.#parts.programs.get(command);
        if (!forked) throw new PlatformError('NOT_FOUND', `Cannot start "${command}", because there is no such program`, { command });
        this.#run({ group, pid: this.#freePid(), program: forked, spec: { ...spec, command }, args: forkArgs });
      },
    };
    this.#parts.trace(`process ${pid} runs ${spec.command} ${args.join(' ')}`);
    const end = (exit: ProcessExit): void => {
      if (!life.isEnded) this.#end(group, pid, exit);
    };
    life.deliver(0, () => {
      program(context).then(
        (code: unknown) => end({ code: typeof code === 'number' ? code : 0, signal: undefined }),
        (error: unknown) => {
          print(`${messageOf(error)}\n`);
          if (!life.isEnded) this.#parts.trace(`process ${pid} threw ${messageOf(error)}`);
          end({ code: 1, signal: undefined });
        },
      );
    });
  }

  #end(group: Group, pid: number, exit: ProcessExit): void {
    const member = group.members.get(pid);
    if (!member) return;
    group.members.delete(pid);
    this.#parts.trace(`process ${pid} ended with ${exit.signal ?? exit.code}`);
    member.life.end();
    if (pid === group.identity.pid) {
      for (const tell of group.waiting) tell(exit);
    }
    if (group.members.size === 0) this.#groups.delete(group.identity.pid);
  }

  #signal(group: Group, signal: ProcessSignal): boolean {
    const members = [...group.members.values()];
    this.#parts.trace(`group ${group.identity.pid} gets ${signal}`);
    for (const { pid, life, abort } of members) {
      if (signal === 'SIGKILL') this.#end(group, pid, { code: undefined, signal });
      else if (signal === 'SIGSTOP') life.pause();
      else if (signal === 'SIGCONT') life.resume();
      else life.deliver(0, () => abort.abort(new PlatformError('ABORTED', `The process got ${signal}`)));
    }
    return members.length > 0;
  }

  /** `pollMs` 0 is the parent, who learns of the end at once and how it came. */
  #handle(group: Group, life: Life, pollMs: number): RunningProcess {
    const exited = Promise.withResolvers<ProcessExit>();
    const tell = (exit: ProcessExit): void => {
      life.deliver(pollMs * this.#parts.generator.next(), () => exited.resolve(pollMs === 0 ? exit : { code: undefined, signal: undefined }));
    };
    if (group.members.has(group.identity.pid)) {
      group.waiting.add(tell);
      life.onEnd(() => group.waiting.delete(tell));
    } else {
      tell({ code: undefined, signal: undefined });
    }
    return {
      identity: group.identity,
      exited: exited.promise,
      signal: (signal) => life.answer(0.1, () => this.#signal(group, signal)),
      hasMembers: () => life.answer(0.1, () => group.members.size > 0),
      usage: () =>
        life.answer(0.1, () => {
          const count = group.members.size;
          return count === 0 ? undefined : { cpuMs: (this.#parts.nowMs() - group.startedAtMs) / 100, memoryBytes: count * memoryBytesOfEach };
        }),
    };
  }

  #freePid(): number {
    const taken = new Set([...this.#groups.values()].flatMap((group) => [group.identity.pid, ...group.members.keys()]));
    while (taken.has(this.#nextPid)) this.#nextPid++;
    return this.#nextPid++;
  }
}

function isEqual(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.startTicks === b.startTicks && a.bootId === b.bootId && a.token === b.token;
}
