import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Who has a folder open. For the message only: the kernel's lock on the file decides. */
interface Owner {
  readonly pid: number;
  /** Wall time, ISO 8601. */
  readonly since: string;
}

/** Writes this process down as the owner. Call it with the lock held. */
export function recordOwner(directory: string): void {
  const path = ownerPath(directory);
  const facts = { pid: process.pid, startTicks: startTicksOf(process.pid), bootId: bootId() };
  writeFileSync(`${path}.new`, `${JSON.stringify(facts)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** The recorded owner if exactly that process still runs; `undefined` if it is not known. */
export function ownerOf(directory: string): Owner | undefined {
  const path = ownerPath(directory);
  try {
    const facts = JSON.parse(readFileSync(path, 'utf8')) as { pid?: unknown; startTicks?: unknown; bootId?: unknown };
    if (typeof facts.pid !== 'number' || facts.bootId !== bootId() || facts.startTicks !== startTicksOf(facts.pid)) return undefined;
    return { pid: facts.pid, since: statSync(path).mtime.toISOString() };
  } catch {
    // Unreadable or half written: the lock is held all the same, only its holder has no name.
    return undefined;
  }
}

function ownerPath(directory: string): string {
  return join(directory, 'owner.json');
}

/** When the process started, in clock ticks since boot: field 22 of `/proc/<pid>/stat` (proc_pid_stat(5)); `undefined` where there is none. */
function startTicksOf(pid: number): number | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  // The second field is the command in brackets and may itself hold brackets and spaces.
  return stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
}

function bootId(): string | undefined {
  return readIfThere('/proc/sys/kernel/random/boot_id')?.trim();
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
