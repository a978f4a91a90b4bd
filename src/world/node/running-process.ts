import type { ProcessExit, ProcessIdentity, ProcessSignal, RunningProcess } from '../world.ts';
import { type Cgroup, cgroupMembers, killCgroup, removeCgroup } from './cgroup.ts';
import { hasToken, isLiving, listProcesses, type ProcessFacts, readProcessFacts, residentBytes } from './process-facts.ts';

/** How often SIGKILL looks for members that were forked while it worked. */
const maxKillRounds = 5;

/** True when the process carries the token: in its environment, or, as some programs overwrite theirs, by the name of its cgroup. */
export async function isMarked(pid: number, token: string, cgroup: Cgroup | undefined): Promise<boolean> {
  return (cgroup !== undefined && (await cgroupMembers(cgroup)).includes(pid)) || (await hasToken(pid, token));
}

interface Parts {
  readonly identity: ProcessIdentity;
  readonly exited: Promise<ProcessExit>;
  readonly cgroup: Cgroup | undefined;
  /** True while the leader is a child of this program that has not been waited for: then its pid can be nobody else's. */
  readonly isOurChild: () => boolean;
}

/**
 * A process of ours and all it started.
 * P1: nothing is signalled unless it is proven ours: the leader by its start time and either its token or being our child; the group by
 *     its leader, or, when that has ended, by a marked member. While any member lives the kernel gives the group's number to no other process.
 * P2: zombies count as ended.
 */
export class NodeRunningProcess implements RunningProcess {
  readonly identity: ProcessIdentity;
  readonly exited: Promise<ProcessExit>;
  readonly #cgroup: Cgroup | undefined;
  readonly #isOurChild: () => boolean;

  constructor(parts: Parts) {
    this.identity = parts.identity;
    this.#cgroup = parts.cgroup;
    this.#isOurChild = parts.isOurChild;
    this.exited = parts.exited.then(async (exit) => {
      if (this.#cgroup) await removeCgroup(this.#cgroup);
      return exit;
    });
  }

  async signal(signal: ProcessSignal): Promise<boolean> {
    const first = await this.#members();
    if (first.length === 0) return false;
    send(first, this.identity.pid, signal);
    if (signal !== 'SIGKILL') return true;
    if (this.#cgroup) await killCgroup(this.#cgroup, (pid) => kill(pid, 'SIGKILL'));
    for (let round = 0; round < maxKillRounds; round++) {
      const left = await this.#members();
      if (left.length === 0) break;
      send(left, this.identity.pid, signal);
    }
    return true;
  }

  async hasMembers(): Promise<boolean> {
    if (await this.#leader()) return true;
    if ((await this.#members()).length > 0) return true;
    if (this.#cgroup) await removeCgroup(this.#cgroup);
    return false;
  }

  async usage(): Promise<{ readonly cpuMs: number; readonly memoryBytes: number } | undefined> {
    const members = await this.#members();
    if (members.length === 0) return undefined;
    const memory = await Promise.all(members.map((member) => residentBytes(member.pid)));
    return {
      cpuMs: members.reduce((sum, member) => sum + member.cpuMs, 0),
      memoryBytes: memory.reduce((sum, bytes) => sum + bytes, 0),
    };
  }

  async #leader(): Promise<ProcessFacts | undefined> {
    const facts = await readProcessFacts(this.identity.pid);
    if (!facts || !isLiving(facts) || facts.startTicks !== this.identity.startTicks) return undefined;
    return this.#isOurChild() || (await isMarked(facts.pid, this.identity.token, this.#cgroup)) ? facts : undefined;
  }

  /** Every living process proven ours (P1): of the group, of the session, of the cgroup, or with the token. */
  async #members(): Promise<readonly ProcessFacts[]> {
    const { pid, startTicks, token } = this.identity;
    const leader = await this.#leader();
    const inCgroup = new Set(this.#cgroup ? await cgroupMembers(this.#cgroup) : []);
    // What we started cannot be older than its leader.
    const candidates = (await listProcesses()).filter((facts) => facts.startTicks >= startTicks);
    const marked = await Promise.all(candidates.map(async (facts) => inCgroup.has(facts.pid) || (await hasToken(facts.pid, token))));
    const ours = candidates.filter((_, index) => marked[index]);
    const isOurGroup = leader !== undefined || ours.some((facts) => facts.groupId === pid);
    const isOurSession = leader !== undefined || ours.some((facts) => facts.sessionId === pid);
    return candidates.filter((facts, index) => marked[index] || (isOurGroup && facts.groupId === pid) || (isOurSession && facts.sessionId === pid));
  }
}

/** One signal to the group, which no fork can escape, then one to each member outside it. */
function send(members: readonly ProcessFacts[], groupId: number, signal: ProcessSignal): void {
  if (members.some((member) => member.groupId === groupId)) kill(-groupId, signal);
  for (const member of members) if (member.groupId !== groupId) kill(member.pid, signal);
}

function kill(pid: number, signal: ProcessSignal): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
